"""The file that holds what `kernelscape calibrate` has measured on this machine, for the planner of later processes.

It is data: numbers, checked one by one, and never code. It is for one kind of processor; on another one, or where it is
damaged or of another version, it counts as missing. A process reads it once: its plans do not change when the file
does.
"""

from __future__ import annotations

import functools
import json
import math
import os
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path

from kernelscape.config import settings
from kernelscape.machine import Rates, Target

FORMAT = 1
"""Changes with the meaning of the numbers."""
_NAME = "calibration.json"


def path() -> Path:
    """Where the file is: in the folder of settings (`cache_directory`), or in the user's folder for settings."""
    folder = settings().cache_directory
    if folder is None:
        from platformdirs import user_config_dir

        folder = user_config_dir("kernelscape", appauthor=False)
    return Path(folder) / _NAME


def calibrated(target: Target) -> Target:
    """A target of this machine with the rates that were measured, if there are any."""
    rates = _known(str(path()), target)
    return target if rates is None else replace(target, rates=rates)


@functools.lru_cache(maxsize=16)
def _known(file: str, target: Target) -> Rates | None:
    return load(target, Path(file))


def load(target: Target, file: Path | None = None) -> Rates | None:
    """What the file says of a target now; None where it says nothing that can be used."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        found = json.loads((path() if file is None else file).read_text(encoding="utf-8"))
        if found["format"] != FORMAT or found["target"] != _identity(target):
            return None
        names = {field.name for field in fields(Rates)}
        rates = {name: float(value) for name, value in found["rates"].items()}
        if set(rates) == names and all(math.isfinite(v) and v > 0 for v in rates.values()):
            return Rates(**rates)
    return None


def save(target: Target, rates: Rates) -> Path:
    """Write the file, whole or not at all.

    Raises
    ------
    OSError
        The folder cannot be written to.
    """
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, "target": _identity(target), "rates": asdict(rates)}, indent=2)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(file)
    return file


def remove() -> bool:
    """Remove the file; whether there was one."""
    try:
        path().unlink()
    except FileNotFoundError:
        return False
    return True


def _identity(target: Target) -> list[str | int]:
    return [target.name, target.cpu, target.features, target.vector_bytes, target.registers]
