"""What a bug report needs: versions, the CPU that code is compiled for, and where compiled code is kept."""

from __future__ import annotations

import platform
from importlib import metadata

from .. import __version__, calibration
from ..backends.cpu import host_target
from ..cache import _default_directory
from ..config import settings
from ..machine import Target, named_target

_PACKAGES = ("numpy", "scipy", "llvmlite", "pillow", "tifffile", "imagecodecs", "scikit-image")


def lines() -> list[str]:
    """Give the lines of ``kernelscape info``."""
    current = settings()
    target = named_target(current.target) if current.target else host_target()
    facts = {
        "kernelscape": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        **{package: _version(package) for package in _PACKAGES},
        "compiles for": f"{target.name}, {8 * target.vector_bytes}-bit vectors",
        "calibrated": _calibrated(target),
        "workers": "all CPUs" if current.workers in (None, -1) else str(current.workers),
        "cache": (current.cache_directory or _default_directory()) if current.disk_cache else "in memory only",
    }
    width = max(map(len, facts)) + 2
    return [f"{name + ':':{width}}{value}" for name, value in facts.items()]


def _calibrated(target: Target) -> str:
    if settings().target:
        return "no, since another processor is compiled for"
    file = calibration.path()
    if calibration.load(target) is not None:
        return f"yes, {file}"
    return f"no: {file} is of another processor or version" if file.exists() else "no ('kernelscape calibrate' does it)"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
