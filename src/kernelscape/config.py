"""Settings: what a user may switch without touching a call, and the only reader of the environment.

A `Settings` value is frozen, so whoever holds one sees one consistent state. `configure` changes it for the code inside
a ``with`` block, in this thread and this task only (a context variable); `set_defaults` changes it for everybody who is
not inside such a block. The environment is read once, when settings are first asked for, never at import: a wrong
variable is an error of the first call that needs it, and ``import kernelscape`` always works. Every value passes the
same checks, whether it came from the environment or from a call.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace

from .errors import ArgumentError, ArgumentTypeError, KernelscapeError, unknown_name

_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")
_BYTES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be switched; see `configure`.

    Parameters
    ----------
    workers : int or None
        Threads that one call may use: at least 1, or -1 for all. None chooses: one inside a Dask worker, otherwise the
        CPUs that this process may use.
    cache_directory : str or None
        Folder of the compiled objects. None is the user's cache directory of the operating system.
    disk_cache : bool
        Keep compiled objects on disk for the next process.
    checked : bool
        Generated code compares every access with the bounds of its buffer.
    verify : bool
        Expressions are verified between the passes of the compiler.
    target : str or None
        CPU to compile for, such as ``"x86-64-v3"``. None is this machine.
    memory_budget : int
        Bytes that one call may use for temporary arrays and for appended result axes.
    """

    workers: int | None = None
    cache_directory: str | None = None
    disk_cache: bool = True
    checked: bool = False
    verify: bool = False
    target: str | None = None
    memory_budget: int = 2 * 2**30

    def __post_init__(self) -> None:
        for name, canonical in _CANONICAL.items():
            object.__setattr__(self, name, canonical(name, getattr(self, name)))


def _canonical_workers(name: str, value: object) -> int | None:
    if value is None:
        return None
    number = _integer(name, value)
    if number < 1 and number != -1:
        raise ArgumentError(f"{name} must be at least 1, or -1 for all CPUs, or None; got {value!r}.")
    return number


def _canonical_directory(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)):
        raise ArgumentTypeError(f"{name} must be a path or None; got {value!r}.")
    path = os.fspath(value)
    if not isinstance(path, str) or not path or "\0" in path:
        raise ArgumentError(f"{name} must be the path of a folder, as text; got {value!r}.")
    # Absolute now: the meaning must not change when the program changes its working directory.
    return os.path.abspath(os.path.expanduser(path))


def _canonical_switch(name: str, value: object) -> bool:
    if value is True or value is False:
        return value
    raise ArgumentTypeError(f"{name} must be True or False; got {value!r}.")


def _canonical_target(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} must be the name of a CPU or None; got {value!r}.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", value):
        raise ArgumentError(f"{name} must be the name of a CPU, such as 'x86-64-v3', or None; got {value!r}.")
    return value


def _canonical_budget(name: str, value: object) -> int:
    number = _integer(name, value)
    if number < 1:
        raise ArgumentError(f"{name} must be a positive number of bytes; got {value!r}.")
    return number


def _integer(name: str, value: object) -> int:
    # NumPy integers are welcome, True is not: it is far more often a mistake than a count.
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentTypeError(f"{name} must be an integer; got {value!r}.")
    return int(value.__index__())


_CANONICAL: Mapping[str, Callable[[str, object], object]] = {
    "workers": _canonical_workers,
    "cache_directory": _canonical_directory,
    "disk_cache": _canonical_switch,
    "checked": _canonical_switch,
    "verify": _canonical_switch,
    "target": _canonical_target,
    "memory_budget": _canonical_budget,
}


def _read_integer(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        raise ArgumentError("expected an integer") from None


def _read_switch(text: str) -> object:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise ArgumentError(f"expected one of {', '.join(_YES + _NO)}")


def _read_bytes(text: str) -> object:
    match = re.fullmatch(r"(\d+)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    if match is None:
        raise ArgumentError("expected a number of bytes, such as 500000000, 512MiB or 4G (units of 1024)")
    return int(match[1]) * _BYTES[match[2].upper()]


_ENVIRONMENT: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "KERNELSCAPE_WORKERS": ("workers", _read_integer),
    "KERNELSCAPE_CACHE_DIR": ("cache_directory", str),
    "KERNELSCAPE_DISK_CACHE": ("disk_cache", _read_switch),
    "KERNELSCAPE_CHECKED": ("checked", _read_switch),
    "KERNELSCAPE_VERIFY": ("verify", _read_switch),
    "KERNELSCAPE_TARGET": ("target", str),
    "KERNELSCAPE_MEMORY_BUDGET": ("memory_budget", _read_bytes),
}


def _from_environment(environment: Mapping[str, str]) -> Settings:
    """Settings as the environment asks for them; a variable that is unset or blank asks for nothing."""
    found: dict[str, object] = {}
    for variable, (name, read) in _ENVIRONMENT.items():
        text = environment.get(variable, "").strip()
        if not text:
            continue
        try:
            found[name] = _CANONICAL[name](name, read(text))
        except KernelscapeError as error:
            reason = str(error).rstrip(".")
            raise ArgumentError(
                f"The environment variable {variable} is {text!r}: {reason}. Correct it or unset it."
            ) from None
    return _changed(Settings(), found)


_defaults: Settings | None = None
_current: ContextVar[Settings | None] = ContextVar("kernelscape_settings", default=None)


def settings() -> Settings:
    """Return the settings that hold here: those of the innermost `configure` block, else the defaults."""
    return _current.get() or _defaults or _load_defaults()


def _load_defaults() -> Settings:
    global _defaults
    loaded = _from_environment(os.environ)
    if _defaults is None:
        _defaults = loaded
    return _defaults


def configure(**changes: object) -> AbstractContextManager[Settings]:
    """Change settings inside a ``with`` block, in this thread and this asynchronous task only.

    Parameters
    ----------
    **changes
        Fields of `Settings`. The others keep the values that they have when the block is entered.

    Returns
    -------
    context manager
        It gives the `Settings` that hold inside.

    Raises
    ------
    UnknownNameError, ArgumentError, ArgumentTypeError
        At the call, for a name or a value that is not allowed.

    Examples
    --------
    >>> with configure(workers=1) as inside:
    ...     inside.workers, settings().workers
    (1, 1)
    """
    _check_names(changes)
    return _configured({name: _CANONICAL[name](name, value) for name, value in changes.items()})


@contextmanager
def _configured(changes: Mapping[str, object]) -> Iterator[Settings]:
    inside = _changed(settings(), changes)
    token = _current.set(inside)
    try:
        yield inside
    finally:
        _current.reset(token)


def set_defaults(**changes: object) -> Settings:
    """Change the settings of everybody who is not inside a `configure` block, and return them.

    Parameters
    ----------
    **changes
        Fields of `Settings`. The others keep the values that they have, or got from the environment.

    Raises
    ------
    UnknownNameError, ArgumentError, ArgumentTypeError
        For a name or a value that is not allowed; nothing is changed then.
    """
    global _defaults
    _check_names(changes)
    _defaults = _changed(_defaults or _load_defaults(), changes)
    return _defaults


def _changed(base: Settings, changes: Mapping[str, object]) -> Settings:
    return replace(base, **changes)  # type: ignore[arg-type]  # Settings checks each value itself


def _check_names(changes: Mapping[str, object]) -> None:
    known = [field.name for field in fields(Settings)]
    for name in changes:
        if name not in known:
            raise unknown_name("setting", name, known)
