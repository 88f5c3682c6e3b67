"""Kernels that follow from a formula: the weights as a function of the offset and of what the pixel has."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
from kernelscape.expression import Concatenate, Node, Reduce, Shape, Sort, walk
from kernelscape.geometry import canonical_size
from kernelscape.kernels import checks
from kernelscape.kernels.field import Array, Bound, Coordinate, Field, Offsets, Part
from kernelscape.kernels.words import described, in_words
from kernelscape.trace import Parameter, Traced, trace

_Argument: TypeAlias = Array | Coordinate


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Formula(Field):
    """Weights as a function of the offset from the pixel, and of maps, coordinates and numbers.

    Parameters
    ----------
    function : callable
        ``function(d0, d1, ..., *arguments)`` gives the weights: of the offsets along each window axis, which are
        floating arrays that broadcast to the window's shape (in two dimensions `dy` of shape (kh, 1) and `dx` of shape
        (1, kw)), and of the value that each argument has at the pixel. It is written in NumPy, as functions of windows
        are, and works *element by element in all of its parameters*: the weight of a sample follows from its own
        offset. Sums over the window, and ``if`` in place of ``numpy.where``, are not allowed, and refused where they
        are noticed: see Notes. For unit sums ask the filter to normalise.
    size : int or tuple of int
        The window of every pixel, even sizes too. The centre, where the offset is 0, is sample ``k // 2``.
    *arguments : array_like, number or ks.index(axis)
        Maps of the image's extents along the window axes; numbers; and ``ks.index(axis)`` for the pixel's own
        coordinate along a window axis. They come as floating numbers of the dtype that is computed in, maps of bool as
        bool. Maps are not copied: do not change them while the field is in use.

    Raises
    ------
    ArgumentTypeError, NotYetSupportedError
        `function` is not callable, an argument is no array of real numbers; or, when the field is used, the function
        does not take an offset for each axis and the arguments, or gives something else than real weights.
    ShapeError
        The maps have different shapes; or, when the field is used, the image has other extents, the size does not fit
        its number of axes, or the weights do not broadcast to the window.
    ArgumentError
        The size is below 1; a coordinate is asked for along an axis that is not there; or, when the field is used, the
        function reduces or sorts over the window, or asks for the truth of an array.

    Notes
    -----
    A reduction or a sort is noticed where the function is traced, and by `dense`; it may run over an axis of the
    function's own, which it has beside those of the window: ``numpy.min(numpy.stack([a, b]), axis=0)``. Where all
    arguments are numbers, it is a number too, and does no harm.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> from kernelscape.kernels import Formula
    >>> field = Formula(lambda dy, dx, y: np.exp(-(dy**2 + dx**2) / (y + 1)), 3, ks.index(0))
    >>> field
    Formula(<lambda>, 3, index(0))
    >>> field.at(1, 0).round(3)
    array([[0.368, 0.607, 0.368],
           [0.607, 1.   , 0.607],
           [0.368, 0.607, 0.368]])
    """

    function: Callable[..., Any]
    size: int | tuple[int, ...]
    arguments: tuple[_Argument, ...]

    def __init__(self, function: Callable[..., Any], size: Any, *arguments: Any) -> None:
        if not callable(function):
            raise ArgumentTypeError(
                f"function must be callable, as lambda dy, dx: np.exp(-dy**2 - dx**2); got {in_words(function)}."
            )
        found = tuple(_argument(number, given) for number, given in enumerate(arguments))
        checks.common_extents(_named_maps(found))
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "size", checks.as_size(size))
        object.__setattr__(self, "arguments", found)

    def __repr__(self) -> str:
        inner = self.function
        while isinstance(inner, functools.partial):
            inner = inner.func
        name = getattr(inner, "__name__", type(inner).__name__)
        words = [f"index({a.axis})" if isinstance(a, Coordinate) else described(a) for a in self.arguments]
        return f"Formula({', '.join([name, str(self.size), *words])})"

    @property
    def extents(self) -> Shape | None:
        """The shape of the maps; None where there are none."""
        return checks.common_extents(_named_maps(self.arguments))

    @property
    def ndim(self) -> int | None:
        return checks.common_ndim(self.extents, self.size)

    def bound(self, extents: Shape) -> Bound:
        """The field on an image with these extents; refuses others than those of the maps."""
        checks.check_extents("Formula", self.extents, extents)
        _check_parameters(self, len(extents))
        arrays = [a for a in self.arguments if not isinstance(a, Coordinate)]
        return Bound(
            canonical_size(self.size, len(extents)),
            checks.floating_dtype(*arrays) if arrays else np.dtype(np.float64),
            tuple(_part(a, extents) for a in self.arguments),
            functools.partial(_weights, self.function),
        )


def _check_parameters(formula: Formula, ndim: int) -> None:
    """Refuses a function that does not take the offsets along all axes and the arguments."""
    count = len(formula.arguments)
    try:
        signature = inspect.signature(formula.function)
    except ValueError:
        return  # builtin functions have none
    try:
        signature.bind(*range(ndim + count))
    except TypeError:
        wanted = ", ".join([*(f"d{axis}" for axis in range(ndim)), *(f"a{number}" for number in range(count))])
        raise ArgumentTypeError(
            f"On an image with {ndim} window axes, the function of {formula!r} is called as function({wanted}): with "
            f"the offset along each axis and the {count} arguments of the Formula. Got a function of {signature}."
        ) from None


def _argument(number: int, given: Any) -> _Argument:
    """A map or a number as an array, or a coordinate: what `ks.index` gives has an axis and is no array."""
    name = f"argument {number} of the function"
    if not isinstance(given, np.ndarray) and not hasattr(given, "__array__") and hasattr(given, "axis"):
        if isinstance(given.axis, (bool, np.bool_)) or not hasattr(given.axis, "__index__"):
            raise ArgumentTypeError(f"{name} must name an axis by an integer; got {given!r}.")
        return Coordinate(given.axis.__index__())
    if not isinstance(given, np.ndarray) and isinstance(getattr(given, "array", None), np.ndarray):
        raise ArgumentTypeError(
            f"{name} must be a number or an array; got {in_words(given)}. Hand over the map itself: "
            "Formula(function, size, map). Each pixel has its own value of it."
        )
    return checks.as_numbers(name, given)


def _named_maps(arguments: tuple[_Argument, ...]) -> list[tuple[str, Array]]:
    return [(f"argument {n}", a) for n, a in enumerate(arguments) if not isinstance(a, Coordinate)]


def _part(argument: _Argument, extents: Shape) -> Part:
    ndim = len(extents)
    if not isinstance(argument, Coordinate):
        return checks.part_of(argument)
    if not -ndim <= argument.axis < ndim:
        raise ArgumentError(f"ks.index({argument.axis}) names an axis of an image with {ndim} window axes.")
    return Coordinate(argument.axis % ndim, extents[argument.axis])


def _weights(function: Callable[..., Any], offsets: Offsets, *values: Any) -> Any:
    dtype = offsets[0].dtype
    numbers = [value.astype(dtype) if value.dtype.kind in "iu" else value for value in values]
    size = tuple(max(d.shape[axis - len(offsets)] for d in offsets) for axis in range(len(offsets)))
    known = _nodes(numbers)
    if not known and any(value.size > 1 for value in numbers):
        _try_traced(function, offsets, size, numbers)
    weights = _called(function, offsets, numbers)
    if known:
        _refuse_reductions(function, weights, known, size)
    if isinstance(weights, (bool, int, float)):
        weights = dtype.type(weights)
    kind = getattr(getattr(weights, "dtype", None), "kind", None)
    if kind is None or kind not in "biuf":
        raise ArgumentTypeError(
            f"The function of a Formula must give real weights, as an array or a number; got {in_words(weights)}."
        )
    window = weights.shape[-len(size) :] if weights.ndim >= len(size) else weights.shape
    if any(have not in {1, wanted} for have, wanted in zip(reversed(window), reversed(size), strict=False)):
        raise ShapeError(
            f"The function of a Formula must give weights that broadcast to the window's shape {size}; got shape "
            f"{weights.shape}."
        )
    return weights.astype(dtype) if kind != "f" else weights


# -- element by element ------------------------------------------------------------------------------------------------


def _called(function: Callable[..., Any], offsets: Offsets, numbers: Sequence[Any]) -> Any:
    try:
        return function(*offsets, *numbers)
    except ValueError as error:
        if "truth value" not in str(error):
            raise
        # Not "from None": the line of the function is in the error's own traceback.
        raise ArgumentError(
            f"{_name(function)}, the function of a Formula, asks whether an array is true, as `if`, `and`, `or`, "
            "`not`, min() and max() of Python do; it must work element by element. Write np.where(condition, a, b) in "
            "place of `if`, & and | in place of `and` and `or`, np.minimum and np.maximum in place of min and max."
        ) from error


def _nodes(values: Sequence[Any]) -> set[Node]:
    """What traced values are made of; nothing of arrays."""
    return set(walk(value._node for value in values if isinstance(value, Traced)))


def _refuse_reductions(function: Callable[..., Any], weights: Any, known: set[Node], size: Shape) -> None:
    """Refuses weights that are not made element by element: in a scatter, samples have the values of other pixels."""
    if not isinstance(weights, Traced):
        return
    for node in walk([weights._node]):
        if isinstance(node, (Reduce, Sort)) and node not in known and not _is_beside_window(node, size):
            raise ArgumentError(
                f"{_name(function)}, the function of a Formula, {_deed(node)} the window; weights must be made element "
                "by element, each from its own offset. For unit sums leave the division away and ask the filter for "
                "it: normalize=True divides by the sum of the weights."
            )


def _deed(node: Reduce | Sort) -> str:
    return "sorts along" if isinstance(node, Sort) else f"reduces over (numpy.{node.operation})"


def _is_beside_window(node: Reduce | Sort, size: Shape) -> bool:
    """Whether it runs over axes that the function has added to those of the window."""
    axes = (node.axis,) if isinstance(node, Sort) else node.axes
    body = node.body
    if body.ndim <= len(size):
        # Numbers of the pixel have none of the window's axes; put together, they have one of their own.
        return body.ndim == 1 and isinstance(body, Concatenate) and len(body.parts) == body.size
    rest = [n for axis, n in enumerate(body.shape) if axis not in axes]
    return len(rest) >= len(size) and all(n in {1, k} for n, k in zip(rest[-len(size) :], size, strict=True))


def _try_traced(function: Callable[..., Any], offsets: Offsets, size: Shape, numbers: Sequence[Array]) -> None:
    """Refuses what a trace would refuse, before NumPy sums over the positions too; what cannot be traced is not known.

    Values come for many positions at once here.
    """
    parameters = [
        Parameter.window(n, size, np.dtype(np.bool_ if value.dtype.kind == "b" else np.float64))
        if value.ndim
        else Parameter.scalar(value.item())
        for n, value in enumerate(numbers)
    ]
    floats = tuple(offset.astype(np.float64) for offset in offsets)
    try:
        trace(lambda *values: _traced(function, floats, values, size), parameters)
    except ArgumentError:
        raise
    except Exception:  # noqa: BLE001  # whatever the function raises on traced values; NumPy calls it next
        return


def _traced(function: Callable[..., Any], offsets: Offsets, values: Sequence[Any], size: Shape) -> Any:
    weights = _called(function, offsets, values)
    _refuse_reductions(function, weights, _nodes(values), size)
    return weights


def _name(function: Callable[..., Any]) -> str:
    """The name of a function, with the place where it begins."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    name = str(getattr(function, "__name__", type(function).__name__))
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"
