"""Element-wise operators on what a function may combine: traced values, numbers, arrays, selections.

Dtypes follow NumPy 2 (NEP 50): a Python number is weak and becomes a run-time argument of the dtype that the operation
computes in, so that one which does not fit raises OverflowError as in NumPy; NumPy scalars and arrays keep their dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from kernelscape.expression import BOOL, Argument, DType, Elementwise, Node, Shape, cast, walk
from kernelscape.semantics import OPERATORS, result_dtypes
from kernelscape.trace.page import tracing_error
from kernelscape.trace.recorder import Recorder, supported

WEAK = (int, float)
Result = tuple[Node, "Node | None"]


class Value:
    """What a function meets in place of an array: a node, and the run that it belongs to.

    `_mask` is None, or the elements that a boolean selection kept.
    """

    __slots__ = ("__weakref__", "_mask", "_node", "_recorder", "_source", "_views")
    __hash__: ClassVar[None]  # type: ignore[assignment]

    _node: Node
    _recorder: Recorder
    _mask: Node | None
    _views: list[Any] | None
    _source: Any

    @property
    def dtype(self) -> DType:
        return self._node.dtype

    def _replace(self, node: Node) -> None:
        """Put another node into the cell."""
        self._node = node


def broadcast_shapes(shapes: Sequence[Shape]) -> Shape:
    """As ``numpy.broadcast_shapes``, whose general form takes microseconds."""
    result = shapes[0]
    for shape in shapes[1:]:
        if shape == result or not shape:
            continue
        if not result:
            result = shape
            continue
        short, long = sorted((result, shape), key=len)
        merged = list(long)
        for i in range(1, len(short) + 1):
            a, b = short[-i], long[-i]
            if a != b and 1 not in {a, b}:
                shown = " ".join(str(s) for s in shapes)
                raise ValueError(f"operands could not be broadcast together with shapes {shown}")
            merged[-i] = b if a == 1 else a
        result = tuple(merged)
    return result


def elementwise(operator: str, dtype: DType, *operands: Node) -> Node:
    shape = operands[0].shape
    for o in operands[1:]:
        if o.shape != shape:
            shape = broadcast_shapes([o.shape for o in operands])
            break
    return Elementwise(shape, dtype, operator, operands)


def plain(value: Any) -> Any:
    """An operand that is neither traced nor a weak number, as a NumPy scalar or an array of a known dtype."""
    if isinstance(value, np.ndarray):
        if isinstance(value, np.ma.MaskedArray):
            raise tracing_error(
                "A masked array takes part in the function; its mask would be lost.",
                "lambda w: np.sum(w * masked_kernel)",
                "lambda w: np.sum(w * kernel, where=use)",
            )
        supported(value.dtype)
        return value
    if isinstance(value, np.generic):
        supported(value.dtype)
        return value
    if type(value) is bool:
        return np.bool_(value)
    if isinstance(value, (list, tuple)) and any(isinstance(v, Value) for v in value):
        raise unstacked()
    array = np.asarray(value)
    supported(array.dtype)
    return array if array.ndim else array[()]


def unstacked() -> Exception:
    """The page for an array made of traced values."""
    return tracing_error(
        "An array is made of values that are not known while the function is traced; NumPy wants numbers for that.",
        "lambda w: np.array([np.min(w), np.max(w)])",
        "lambda w: np.stack([np.min(w), np.max(w)])",
    )


def node_of(r: Recorder, value: Any, dtype: DType | None = None) -> Node:
    """Any operand as a node of `dtype`; by default of the dtype that NumPy gives it as an array."""
    if isinstance(value, Value):
        if value._mask is not None:
            raise selected_misused()
        return value._node if dtype is None else cast(value._node, dtype)
    if type(value) in WEAK:
        return r.scalar(value, dtype or np.asarray(value).dtype)
    value = plain(value)
    wanted = dtype or supported(value.dtype)
    return r.array(value, wanted) if isinstance(value, np.ndarray) else r.scalar(value, wanted)


def selected_misused() -> Exception:
    """The page for a selection used as an array."""
    return tracing_error(
        "A boolean selection such as w[w > t] has a size that is known only from the data. It can be combined with "
        "numbers and with selections by the same mask, and reduced; nothing else.",
        "lambda w: np.sort(w[w > 0])[0]",
        "lambda w: np.min(w[w > 0])",
    )


def operate(r: Recorder, name: str, operands: Sequence[Any]) -> Result:
    """An operator on any operands: the resulting node, and the mask when they are selections."""
    values: list[Any] = []
    specs: list[Any] = []
    mask: Node | None = None
    for x in operands:
        kind = type(x)
        if kind is int or kind is float:
            specs.append(kind)
        elif isinstance(x, Value):
            specs.append(x._node.dtype)
            if x._mask is not None:
                mask = x._mask if mask is None else _same_mask(r, mask, x._mask)
        else:
            x = plain(x)
            specs.append(x.dtype)
        values.append(x)
    wanted, result = result_dtypes(name, specs)
    if OPERATORS[name].cost == 0:
        return cast(values[0]._node, result), mask
    try:
        nodes = [_operand(r, x, dtype) for x, dtype in zip(values, wanted, strict=True)]
    except OverflowError:
        if name not in _COMPARISONS:
            raise
        return _compared_out_of_range(r, name, values), mask
    if mask is not None:
        _check_selection(values)
    return elementwise(name, result, *nodes), mask


def _operand(r: Recorder, x: Any, dtype: DType) -> Node:
    if isinstance(x, Value):
        node = x._node
        return node if node.dtype == dtype else cast(node, dtype)
    return r.array(x, dtype) if isinstance(x, np.ndarray) else r.scalar(x, dtype)


# -- selections -------------------------------------------------------------------------------------------------------


def _check_selection(values: Sequence[Any]) -> None:
    """Beside selections, only scalars may take part."""
    for x in values:
        shape = x._node.shape if isinstance(x, Value) else getattr(x, "shape", ())
        if shape and (not isinstance(x, Value) or x._mask is None):
            raise selected_misused()


def _same_mask(r: Recorder, a: Node, b: Node) -> Node:
    if a is b or _alike(r, a, b):
        return a
    raise tracing_error(
        "Two boolean selections by different masks are combined; their elements do not correspond.",
        "lambda a, b: np.sum(a[a > 0] * b[b > 0])",
        "lambda a, b: np.sum(a * b, where=(a > 0) & (b > 0))",
    )


def _alike(r: Recorder, a: Node, b: Node) -> bool:
    """Equal expressions, where captured numbers count as equal when their values are."""
    first, second = list(walk((a,))), list(walk((b,)))
    if len(first) != len(second):
        return False
    number = {id(n): i for i, n in enumerate(first)}
    other = {id(n): i for i, n in enumerate(second)}
    for m, n in zip(first, second, strict=True):
        if (type(m), m.shape, m.dtype) != (type(n), n.shape, n.dtype):
            return False
        if isinstance(m, Argument) and isinstance(n, Argument):
            if m.slot != n.slot and not _equal_scalars(r, m.slot, n.slot):
                return False
        elif m.facts() != n.facts() or [number[id(c)] for c in m.children] != [other[id(c)] for c in n.children]:
            return False
    return True


def _equal_scalars(r: Recorder, a: int, b: int) -> bool:
    x, y = r.slots.values[a], r.slots.values[b]
    return x is not None and y is not None and not x.shape and not y.shape and bool(x.value == y.value)


# -- comparisons with numbers that the dtype cannot hold --------------------------------------------------------------

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(np, name) for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
}


def _compared_out_of_range(r: Recorder, name: str, values: Sequence[Any]) -> Node:
    """An integer array against a Python integer beyond its dtype: known beforehand, and NumPy 2 says so too."""
    at = 0 if type(values[0]) is int else 1
    array, scalar = values[1 - at], values[at]
    answer = _COMPARISONS[name](*((1, 0) if (scalar > 0) == (at == 0) else (0, 1)))
    node = _operand(r, array, array.dtype)
    return elementwise("equal" if answer else "not_equal", BOOL, node, node)


# -- powers -----------------------------------------------------------------------------------------------------------

_LARGEST_UNROLLED_POWER = 8


def power(r: Recorder, base: Any, exponent: Any, *, shortcuts: bool = False) -> Result:
    """``base ** exponent``; small integer exponents are part of the structure and become products.

    `shortcuts` are those of Python's operator: ``** 0.5`` is a square root, ``** -1`` a reciprocal.
    """
    if type(exponent) not in WEAK or not isinstance(base, Value):
        return operate(r, "power", (base, exponent))
    if type(exponent) is int and exponent < 0 and base.dtype.kind in "bi":
        raise ValueError("Integers to negative integer powers are not allowed.")
    _, dtype = result_dtypes("power", (base.dtype, type(exponent)))
    node = cast(base._node, dtype)
    if exponent == 1:
        return node, base._mask
    if exponent == 2:
        return elementwise("square", dtype, node) if dtype.kind == "f" else _repeated(node, 2), base._mask
    if float(exponent).is_integer() and 2 < exponent <= _LARGEST_UNROLLED_POWER:
        return _repeated(node, int(exponent)), base._mask
    if shortcuts and dtype.kind == "f" and exponent in {0.5, -1}:
        return elementwise("sqrt" if exponent == 0.5 else "reciprocal", dtype, node), base._mask
    return elementwise("power", dtype, node, r.scalar(exponent, dtype)), base._mask


def _repeated(node: Node, exponent: int) -> Node:
    """A power by repeated squaring (D. E. Knuth, The Art of Computer Programming 2, section 4.6.3)."""
    result: Node | None = None
    square = node
    while True:
        if exponent & 1:
            result = square if result is None else elementwise("multiply", node.dtype, result, square)
        exponent >>= 1
        if not exponent:
            return square if result is None else result
        square = elementwise("multiply", node.dtype, square, square)
