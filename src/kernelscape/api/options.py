"""The keyword arguments of all functions, checked once.

`Options` holds them as given, with a key by which equal options are found again.  Arguments of capabilities that do not exist
yet are refused here by name; none is ever ignored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError, unknown_name

METHODS = ("auto", "traced", "numpy")
"""``traced``: a function that cannot be traced is an error; ``numpy``: always through NumPy."""
NAN_POLICIES = ("propagate", "raise", "omit")


@dataclass(frozen=True)
class Options:
    """How windows are taken and results are made; see `apply`."""

    size: Any = None
    footprint: Any = None
    mode: Any = "reflect"
    cval: Any = 0.0
    origin: Any = 0
    stride: Any = 1
    dilation: Any = 1
    padding: Any = "same"
    axes: Any = None
    where: Any = None
    nan_policy: str = "propagate"
    min_count: Any = 1
    invalid: Any = math.nan
    at: Any = None
    otherwise: Any = "input"
    dtype: Any = None
    kwargs: Any = None
    method: str = "auto"
    tol: Any = None

    def __post_init__(self) -> None:
        _refuse_unsupported(self)
        if self.size is not None and self.footprint is not None:
            raise ArgumentError("size and footprint cannot both be given: a footprint has a shape of its own.")
        if self.method not in METHODS:
            raise unknown_name("method", self.method, METHODS)
        if self.nan_policy not in NAN_POLICIES:
            raise unknown_name("nan_policy", self.nan_policy, NAN_POLICIES)
        if self.dtype is not None:
            object.__setattr__(self, "dtype", window_dtype(self.dtype))
        if not isinstance(self.invalid, int | float | np.number):
            raise ArgumentTypeError(f"invalid must be a number; got {self.invalid!r}.")
        if isinstance(self.min_count, bool) or not hasattr(self.min_count, "__index__") or self.min_count < 0:
            raise ArgumentError(f"min_count must be an integer of at least 0; got {self.min_count!r}.")
        if self.tol is not None and not (isinstance(self.tol, int | float) and self.tol > 0):
            raise ArgumentError(f"tol must be a positive number or None; got {self.tol!r}.")

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """Equal for options with the same meaning; hashable."""
        return tuple(_key_of(getattr(self, f.name)) for f in fields(self))


def _refuse_unsupported(options: Options) -> None:
    """Capabilities that are planned; an argument of one is an error, never ignored."""
    planned = {
        "where": options.where is not None,
        "at": options.at is not None,
        "otherwise": not (isinstance(options.otherwise, str) and options.otherwise == "input"),
        "nan_policy='omit'": options.nan_policy == "omit",
    }
    for name, asked in planned.items():
        if asked:
            raise NotYetSupportedError(f"{name} is not supported yet; leave it out.")


def window_dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype to which windows are converted as they are loaded."""
    try:
        found = np.dtype(dtype).newbyteorder("=")
    except TypeError:
        raise ArgumentTypeError(f"dtype must be a NumPy dtype; got {dtype!r}.") from None
    if found.kind not in "biuf" or found.itemsize > 8:
        raise ArgumentTypeError(f"dtype must be bool, an integer, or a float of up to 64 bits; got {found}.")
    return found


def _key_of(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, list | tuple):
        return tuple(_key_of(v) for v in value)
    if isinstance(value, dict):
        return tuple((k, _key_of(v)) for k, v in value.items())
    if isinstance(value, float):
        return repr(value)
    return value
