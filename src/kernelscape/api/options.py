"""The keyword arguments that all functions share, checked once.

`Options` is the canonical and immutable form: lists are tuples, arrays are copies, numbers are Python's.
`options_of` gives the same object for keywords of equal meaning, so that everything else finds what it remembers by
the identity of the options. Arguments of capabilities that do not exist yet are refused here by name; none is ever
ignored.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, TypeVar

import numpy as np

from kernelscape.api.kept import Kept
from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError, unknown_name
from kernelscape.expression import DType
from kernelscape.plan import METHOD_NAMES

GENERAL = ("auto", "traced", "numpy")
"""``traced``: a function that cannot be traced is an error; ``numpy``: always through NumPy."""
LINEAR_METHODS = ("exact", "fft", "log_sigma", "product_convolution", "low_rank")
"""Of `correlate` and `convolve` only: ways around what the planner plans."""
METHODS = (*GENERAL, *METHOD_NAMES, *LINEAR_METHODS)
NAN_POLICIES = ("propagate", "omit", "raise")
_NUMBERS = (int, float, np.integer, np.floating)
_FROZEN = (int, float, str, bytes, type(None), np.generic, np.dtype, type)


@dataclass(frozen=True, eq=False)
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
    nan_policy: Any = "propagate"
    min_count: Any = 1
    invalid: Any = math.nan
    dtype: Any = None
    kwargs: Any = None
    method: Any = "auto"
    tol: Any = None
    anchors: Any = None
    """For each window axis (first, count) of the anchors, in place of what `padding` says; for our own use."""

    def __post_init__(self) -> None:
        _check_words(self)
        for name in ("size", "mode", "origin", "stride", "dilation", "padding", "axes"):
            object.__setattr__(self, name, _tuples(getattr(self, name)))
        canonical: dict[str, Callable[[Any], Any]] = {
            "footprint": _footprint,
            "min_count": _min_count,
            "invalid": _invalid,
            "dtype": _window_dtype,
            "kwargs": _kwargs,
        }
        for name, rule in canonical.items():
            object.__setattr__(self, name, rule(getattr(self, name)))

    @property
    def must_trace(self) -> bool:
        """Whether NumPy must not stand in for a function that cannot be traced."""
        return self.method not in ("auto", "numpy")

    @property
    def planned_method(self) -> str | None:
        """The method of the planner that is asked for, if one is."""
        return self.method if self.method in METHOD_NAMES else None

    @property
    def repeatable(self) -> bool:
        """Whether a function that gets these `kwargs` sees the same at every call."""
        return all(map(_is_frozen, self.kwargs.values()))


def options_of(*values: Any) -> Options:
    """The options with these values, in the order of the fields.

    Raises
    ------
    ArgumentError, ArgumentTypeError, UnknownNameError, NotYetSupportedError
        What was expected, what was given, and what to do.
    """
    identity = tuple(map(id, values))
    known = _by_identity.get(identity)
    if known is not None:
        return known[0]
    made = Options(*values)
    key = _key(made)
    found = made if key is None else _by_meaning.get(key) or _by_meaning.put(key, made)
    if all(map(_is_frozen, values)):
        # The values are kept too, since an identity stands for an object only while it lives.
        _by_identity.put(identity, (found, values))
    return found


def changed(options: Options, **words: Any) -> Options:
    """The same options but for some of them."""
    return options_of(*(words.get(f.name, getattr(options, f.name)) for f in fields(options)))


_by_identity: Kept[tuple[Options, tuple[Any, ...]]] = Kept(256)
_by_meaning: Kept[Options] = Kept(256)


def _key(options: Options) -> Hashable | None:
    """Equal for options of equal meaning; None where the meaning may change later, or is nonsense yet to be refused."""
    if not options.repeatable:
        return None
    key = tuple(_key_of(getattr(options, f.name)) for f in fields(options))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _key_of(value: Any) -> Hashable:
    if isinstance(value, np.ndarray):
        return (value.shape, value.tobytes())
    if isinstance(value, tuple):
        return tuple(map(_key_of, value))
    if isinstance(value, dict):
        return tuple((name, _key_of(entry)) for name, entry in value.items())
    # 1, 1.0 and True are equal for Python; NaN is not equal to itself, and -0.0 is equal to 0.0.
    return (type(value), repr(value) if isinstance(value, float | np.inexact) else value)


def _is_frozen(value: Any) -> bool:
    return all(map(_is_frozen, value)) if type(value) is tuple else isinstance(value, _FROZEN)


# -- what is checked --------------------------------------------------------------------------------------------------


def not_yet(name: str) -> NotYetSupportedError:
    """The error for an argument of later work."""
    return NotYetSupportedError(f"{name} is not supported yet; leave it out.")


def nan_found(what: str) -> ArgumentError:
    """The error for a NaN under ``nan_policy="raise"``."""
    return ArgumentError(
        f"{what} contains NaN, and nan_policy is 'raise'; expected numbers. Replace them (np.nan_to_num), or use "
        "nan_policy='propagate'."
    )


def _check_words(options: Options) -> None:
    if options.size is not None and options.footprint is not None:
        raise ArgumentError("size and footprint cannot both be given: a footprint has a shape of its own.")
    for kind, given, known in (
        ("method", options.method, METHODS),
        ("nan_policy", options.nan_policy, NAN_POLICIES),
    ):
        if not isinstance(given, str) or given not in known:
            raise unknown_name(kind, given, known)
    tol = options.tol
    if tol is not None and not (isinstance(tol, _NUMBERS) and not isinstance(tol, bool) and tol > 0):
        raise ArgumentError(f"tol must be a positive number or None; got {tol!r}.")


def _tuples(value: Any) -> Any:
    """Sequences as tuples, since a list may change behind our back."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _footprint(given: Any) -> Any:
    return None if given is None else np.array(given)


def _min_count(given: Any) -> int:
    if isinstance(given, bool | np.bool_) or not hasattr(given, "__index__"):
        raise ArgumentTypeError(f"min_count must be an integer; got {given!r}.")
    count = operator.index(given)
    if count < 0:
        raise ArgumentError(f"min_count must be at least 0; got {given!r}.")
    return count


def _invalid(given: Any) -> int | float:
    if isinstance(given, bool) or not isinstance(given, _NUMBERS):
        raise ArgumentTypeError(f"invalid must be an integer or a float; got {given!r}.")
    return int(given) if isinstance(given, int | np.integer) else float(given)


def _window_dtype(given: Any) -> DType | None:
    """The dtype to which windows are converted as they are loaded."""
    if given is None:
        return None
    found = native(dtype_of("dtype", given))
    if found.kind not in "biufc":
        raise ArgumentTypeError(f"dtype must be bool, an integer, a float or a complex dtype; got {given!r}.")
    return found


def dtype_of(name: str, given: Any) -> DType:
    """What a dtype argument stands for."""
    try:
        found: DType = np.dtype(given)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{name} must be a NumPy dtype; got {given!r}.") from None
    return found


def native(dtype: DType) -> DType:
    """The dtype in our byte order; the same object where it is that already, by which options are found again."""
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def _kwargs(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ArgumentTypeError(f"kwargs must be a dict of keyword arguments for the function; got {given!r}.")
    return dict(given)


# -- unknown keywords -------------------------------------------------------------------------------------------------

_F = TypeVar("_F", bound=Callable[..., Any])


def with_known_keywords(function: _F) -> _F:
    """Keep the catch-all `unknown` of a function, which is there to name the nearest keyword, out of `help`."""
    import inspect

    signature = inspect.signature(function)
    known = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    function.__signature__ = signature.replace(parameters=known)  # type: ignore[attr-defined]
    return function


def refuse_unknown(function: Callable[..., Any], unknown: Mapping[str, Any]) -> None:
    """Refuse keywords that a function does not have, naming the nearest that it has."""
    import inspect

    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    for name in unknown:
        near = get_close_matches(name, known, 1, 0.5)
        advice = f"; did you mean {near[0]!r}?" if near else f"; expected one of {', '.join(known)}."
        raise ArgumentTypeError(f"{function.__name__}() has no keyword argument {name!r}{advice}")
