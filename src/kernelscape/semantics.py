"""What NumPy gives for each element-wise operator and dtype, said once, because machines differ.

The reference interpreter evaluates `OPERATORS`; the emitter writes guards until machine code equals it bit for bit.
All statements below were found by experiment with NumPy 2 on x86-64 and are tests. Where NumPy contradicts itself (its
vector body against its scalar tail, one platform against another), the value here is the deterministic one that its
vector body gives for long contiguous arrays.

Integers
    Sums, differences, products, negation, ``absolute(INT_MIN)`` and ``INT_MIN // -1`` wrap, also for unsigned types.
    ``x // 0``, ``x % 0`` and ``fmod(x, 0)`` are 0. ``//`` rounds down, so ``%`` has the sign of the divisor; `fmod`
    has the sign of the dividend. A shift by the width or more, or by a negative count, gives 0; a right shift of a
    signed value then gives copies of its sign. ``reciprocal(0)`` is INT_MIN for int32 and int64, and 0 for the others.
    ``a ** b`` with ``b < 0`` raises in NumPy. Here, where b is known only as data, it is the true value without its
    fraction: 1 for a = 1, ±1 for a = -1, and else 0 (for a = 0 too, as for ``1 // 0``).
    int64 and uint64 are compared exactly, by value.
Booleans
    ``+`` and `maximum` are *or*; ``*`` and `minimum` are *and*; ``a < b`` is ``not a and b``. Subtraction, negation,
    `positive` and `sign` are refused; ``//``, ``%``, ``**``, shifts, `square` and `reciprocal` are done in int8.
Floating point
    `minimum` and `maximum` return NaN when either operand is NaN; `fmin` and `fmax` only when both are. In all four -0
    is less than +0, where NumPy returns sometimes the first and sometimes the second of two zeros. Two zeros in a
    *fold* of minima or maxima (``np.min(w)``): which of them it gives is not defined.
    ``a // b``: with m = fmod(a, b) (exact), m + b where its sign is not that of b, the quotient is (a - m)/b brought to
    the nearest integer; ``a // ±0`` is a/±0; ``a % 0``, ``inf % b`` and ``inf // b`` are NaN; a remainder of zero has
    the sign of b; ``1 % -inf`` is -inf and ``1 // -inf`` is -1.
    `sign` of NaN is NaN, of -0 is +0. `rint` rounds halves to even; `floor`, `ceil`, `trunc` and `rint` keep the sign
    of a zero. ``heaviside(x, h)`` is h for both zeros and NaN for x = NaN. Logical operators take NaN as true.
    Nothing warns.
float16
    A value of dtype float16 is held as float32 and is not rounded between operations; only a cast to float16 and a
    store round, to nearest even. Operands and results of dtype float16 are therefore float32 arrays here.
Casts (`convert`)
    Integers wrap; everything that is not zero, NaN included, is True; an integer becomes the nearest floating number.
    A floating number loses its fraction, and then, with w the width of the integer:

    ========  =================================================  ====================================
    to        that a register of the processor holds             else, and NaN
    ========  =================================================  ====================================
    w <= 16   -2^31 <= x < 2^31: modulo 2^w                      0
    int32     -2^31 <= x < 2^31                                  -2^31
    int64     -2^63 <= x < 2^63                                  -2^63
    uint32    -2^31 <= x < 2^32: modulo 2^32                     x >= 2^32: 0; x < -2^31, NaN: 2^31
    uint64    -2^63 <= x < 2^64: modulo 2^64                     x >= 2^64: 0; x < -2^63, NaN: 2^63
    ========  =================================================  ====================================

    (float16 to uint32 is 0 in the last column: it has no vector body in NumPy. In the row of uint32 NumPy's scalars
    and the last elements of its arrays take the low half of the int64; we give one value.)
Stores (`saturate`)
    Floating to integer rounds halves to even, clamps to the range, and NaN is 0; integer to integer clamps; the rest is
    as for casts.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from kernelscape.errors import ArgumentTypeError, unknown_name

Array: TypeAlias = np.ndarray[Any, Any]
Dtype: TypeAlias = np.dtype[Any]
OperandType: TypeAlias = "Dtype | type"

DTYPES: tuple[Dtype, ...] = tuple(
    np.dtype(name)
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
    )
)
"""The dtypes that operators are compiled for."""

GUARDS = {
    "zero divisor": "an integer divided by zero is 0; processors trap",
    "quotient overflow": "INT_MIN // -1 wraps to INT_MIN; processors trap",
    "divisor sign": "the remainder has the sign of the divisor; processors give it the sign of the dividend",
    "exact remainder": "the remainder is exact for any ratio, which one division does not give",
    "wide shift": "shifts by the width or more, or by negative counts, shift everything out; processors mask the count",
    "wrap": "results wrap into the width; LLVM must not be told that they do not",
    "negative exponent": "an integer to a negative power is the true value without its fraction",
    "nan order": "NaN propagates (minimum, maximum) or is passed over (fmin, fmax); -0 is less than +0",
    "zero sign": "the sign of a zero result is fixed",
    "half to even": "halves round to even, whatever the processor's mode",
    "mixed sign": "int64 and uint64 are compared by value",
    "bool": "booleans have their own rule",
    "range": "values outside the integer's range have a fixed result; processors and LLVM differ",
    "double rounding": "float64 to float16 is rounded once",
}
"""The words of `Operator.guards`: what the emitter has to take care of."""


@dataclass(frozen=True, slots=True)
class Operator:
    """An element-wise operator and what is known of it.

    Attributes
    ----------
    name : str
        The name of NumPy's ufunc where there is one.
    arity : int
        Number of operands.
    function : callable
        Evaluates it on arrays that already have the operand dtypes (float32 for float16).
    result : str
        ``"same"`` as the (common) operand dtype, or ``"bool"``. `result_dtypes` has the details.
    commutative, associative : bool
        Exactly, for every dtype; so floating sums are commutative only.
    monotone : int
        1 (-1) where a larger operand never gives a smaller (larger) result, rounding included, wherever the result is
        not NaN and nothing wraps; 0 where that is not promised.
    exact : bool
        Floating results are equal bit for bit for everybody; False for elementary functions.
    cost : int
        Rough number of vector instructions, an addition being 1.
    guards : tuple of str
        What differs on machines, in the words of `GUARDS`.
    """

    name: str
    arity: int
    function: Callable[..., Any]
    result: str = "same"
    commutative: bool = False
    associative: bool = False
    monotone: int = 0
    exact: bool = True
    cost: int = 1
    guards: tuple[str, ...] = ()

    def __call__(self, *operands: Array) -> Array:
        """Evaluate on arrays of the operand dtypes; nothing warns."""
        with np.errstate(all="ignore"):
            return np.asarray(self.function(*operands))


def _ordered(ufunc: Callable[..., Any], zero_bits: Callable[..., Any]) -> Callable[..., Any]:
    """A minimum or maximum in which -0 is less than +0."""

    def evaluate(a: Array, b: Array) -> Array:
        result = ufunc(a, b)
        if result.dtype.kind != "f":
            return np.asarray(result)
        negative = zero_bits(np.signbit(a), np.signbit(b))
        return np.where((a == 0) & (b == 0), np.where(negative, -0.0, 0.0).astype(result.dtype), result)

    evaluate.__name__ = ufunc.__name__
    return evaluate


def _power(a: Array, b: Array) -> Array:
    """``a ** b``, with a value for negative integer exponents."""
    if b.dtype.kind != "i":
        return np.asarray(np.power(a, b))
    below = b < 0
    unit = np.where((a == -1) & (b & 1 == 0), 1, a) * (np.abs(a) == 1)
    return np.where(below, unit, np.power(a, np.where(below, 0, b))).astype(a.dtype)


def _reciprocal(a: Array) -> Array:
    """``1 / a``; NumPy divides integers as floats, so that its result for 0 is that of a cast of infinity."""
    if a.dtype.kind == "f":
        return np.asarray(np.reciprocal(a))
    return convert(np.divide(1.0, a), np.dtype(np.float64), a.dtype)


def _identity(a: Array) -> Array:
    return a


def _table() -> dict[str, Operator]:
    rows: list[Operator] = []

    def row(names: str, arity: int, **facts: Any) -> None:
        for name in names.split():
            function = facts.get("function") or getattr(np, name)
            rows.append(Operator(name, arity, **{**facts, "function": function}))

    row("add multiply", 2, commutative=True, guards=("wrap", "bool"))
    row("subtract", 2, guards=("wrap",))
    row("divide", 2, cost=6)
    row("floor_divide", 2, cost=20, guards=("zero divisor", "quotient overflow", "divisor sign", "exact remainder"))
    row("remainder", 2, cost=20, guards=("zero divisor", "quotient overflow", "divisor sign", "exact remainder"))
    row("fmod", 2, cost=20, guards=("zero divisor", "quotient overflow", "exact remainder"))
    row("power", 2, function=_power, exact=False, cost=60, guards=("wrap", "negative exponent"))
    row("float_power hypot arctan2", 2, exact=False, cost=60)
    row("copysign", 2, cost=2)
    row("heaviside", 2, cost=4)
    row("negative", 1, monotone=-1, guards=("wrap",))
    row("positive", 1, monotone=1, cost=0)
    row("conjugate", 1, monotone=1, cost=0)
    row("real", 1, function=_identity, monotone=1, cost=0)
    row("absolute square", 1, guards=("wrap",))
    row("fabs", 1)
    row("sign", 1, monotone=1, cost=4, guards=("zero sign",))
    row("reciprocal", 1, function=_reciprocal, cost=6, guards=("zero divisor",))
    row("sqrt", 1, monotone=1, cost=8)
    row("cbrt exp exp2 expm1 log log2 log10 log1p", 1, exact=False, cost=20)
    row("sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh", 1, exact=False, cost=30)
    row("floor ceil trunc", 1, monotone=1, guards=("zero sign",))
    row("rint", 1, monotone=1, guards=("half to even", "zero sign"))
    row("degrees radians deg2rad rad2deg", 1, monotone=1)
    order = {"commutative": True, "associative": True, "guards": ("nan order", "bool")}
    row("minimum", 2, function=_ordered(np.minimum, np.logical_or), cost=3, **order)
    row("maximum", 2, function=_ordered(np.maximum, np.logical_and), cost=5, **order)
    row("fmin", 2, function=_ordered(np.fmin, np.logical_or), cost=6, **order)
    row("fmax", 2, function=_ordered(np.fmax, np.logical_and), cost=6, **order)
    row("isnan isinf isfinite signbit", 1, result="bool")
    row("less less_equal greater greater_equal", 2, result="bool", guards=("mixed sign", "bool"))
    row("equal not_equal", 2, result="bool", commutative=True, guards=("mixed sign",))
    row("logical_and logical_or logical_xor", 2, result="bool", commutative=True, associative=True)
    row("logical_not", 1, result="bool")
    row("bitwise_and bitwise_or bitwise_xor", 2, commutative=True, associative=True)
    row("invert", 1)
    row("left_shift right_shift", 2, cost=3, guards=("wide shift",))
    row("select", 3, function=np.where)
    row("cast", 1, function=_identity, cost=1, guards=("range", "double rounding"))
    return {entry.name: entry for entry in rows}


OPERATORS: dict[str, Operator] = _table()
"""Every element-wise operator. ``cast`` goes to the dtype of its node, with `convert`."""

_NUMPY_FREE = ("real", "select", "cast")
_PYTHON_SCALARS: tuple[type, ...] = (int, float, complex)
_resolved: dict[tuple[object, ...], tuple[tuple[Dtype, ...], Dtype]] = {}


def result_dtypes(name: str, operands: Sequence[OperandType]) -> tuple[tuple[Dtype, ...], Dtype]:
    """The dtypes in which NumPy evaluates an operator, and the dtype of its result.

    Parameters
    ----------
    name : str
        A name from `OPERATORS` other than ``"cast"``.
    operands : sequence of numpy.dtype or Python scalar type
        ``int``, ``float`` and ``complex`` stand for Python scalars, which are weak (NEP 50); ``bool`` is a dtype.

    Returns
    -------
    operand_dtypes : tuple of numpy.dtype
        What the operands have to be cast to.
    result_dtype : numpy.dtype

    Raises
    ------
    ArgumentTypeError
        NumPy refuses the combination, or it leads to a dtype that is not in `DTYPES`.

    Examples
    --------
    >>> result_dtypes("divide", [np.dtype(np.uint8), int])
    ((dtype('float64'), dtype('float64')), dtype('float64'))
    >>> result_dtypes("less", [np.dtype(np.int64), np.dtype(np.uint64)])
    ((dtype('int64'), dtype('uint64')), dtype('bool'))
    """
    key = (name, *operands)
    found = _resolved.get(key)
    if found is None:
        found = _resolved[key] = _resolve(name, operands)
    return found


def _resolve(name: str, operands: Sequence[OperandType]) -> tuple[tuple[Dtype, ...], Dtype]:
    known = OPERATORS.get(name)
    if known is None:
        raise unknown_name("operator", name, OPERATORS)
    if len(operands) != known.arity:
        raise ArgumentTypeError(f"{name} takes {known.arity} operands, {len(operands)} were given.")
    asked = tuple(t if t in _PYTHON_SCALARS else _native(t) for t in operands)
    try:
        *wanted, result = _ask_numpy(name, asked)
    except TypeError as error:
        raise ArgumentTypeError(f"{name} of {_words(asked)} is refused by NumPy: {error}") from None
    for dtype in (*wanted, result):
        if dtype not in DTYPES:
            raise ArgumentTypeError(
                f"{name} of {_words(asked)} computes in {dtype!s}; compiled functions know "
                f"{', '.join(map(str, DTYPES))}. Convert the operands with astype."
            )
    return tuple(wanted), result


def _native(operand: OperandType) -> Dtype:
    dtype = np.dtype(operand)
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def _ask_numpy(name: str, asked: tuple[OperandType, ...]) -> tuple[Dtype, ...]:
    if name in _NUMPY_FREE:
        zeros = [t(0) if isinstance(t, type) else t for t in asked]
        common = np.result_type(*(zeros[1:] if name == "select" else zeros))
        return (np.dtype(bool), common, common, common) if name == "select" else (common, common)
    ufunc = getattr(np, name)
    return tuple(ufunc.resolve_dtypes((*asked, None)))


def _words(asked: Sequence[OperandType]) -> str:
    return " and ".join(f"a Python {t.__name__}" if isinstance(t, type) else str(t) for t in asked)


_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
}


def comparison_outside(name: str, dtype: Dtype, value: int) -> bool | None:
    """What any value of an integer dtype gives when compared with a Python integer that the dtype cannot hold.

    NumPy compares such pairs by value, where other operators raise OverflowError.

    Parameters
    ----------
    name : str
        A comparison, with the value of `dtype` on the left.
    dtype : numpy.dtype
    value : int

    Returns
    -------
    bool or None
        None where the dtype can hold the number, so that the result depends on the data.

    Examples
    --------
    >>> comparison_outside("less", np.dtype(np.uint8), 300)
    True
    """
    if dtype.kind not in "iu":
        return None
    limits = np.iinfo(dtype)
    if limits.min <= value <= limits.max:
        return None
    return _COMPARISONS[name](int(limits.min), value)


def register_dtype(dtype: Dtype) -> Dtype:
    """The dtype in which a value is held between operations: float32 for float16, else the dtype itself."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def blend_dtype(result: Dtype, output: Dtype) -> Dtype:
    """The dtype in which a result is blended with what an output holds: a float that holds both as well as can be.

    Examples
    --------
    >>> blend_dtype(np.dtype(np.float32), np.dtype(np.uint8)), blend_dtype(np.dtype(np.int64), np.dtype(np.int64))
    (dtype('float32'), dtype('float64'))
    """
    floating = result if result.kind == "f" else np.dtype(np.float64)
    return register_dtype(np.result_type(floating, output))


def convert(values: Array, source: Dtype, result: Dtype) -> Array:
    """A cast (``astype``) of register values, as the table at the top of this module says.

    Parameters
    ----------
    values : ndarray
        Of ``register_dtype(source)``.
    source, result : numpy.dtype

    Returns
    -------
    ndarray
        Of ``register_dtype(result)``; float16 is rounded to its precision.
    """
    with np.errstate(all="ignore"):
        if result.kind == "b":
            return np.asarray(values != 0)
        if source.kind == "f" and result.kind in "iu":
            return _truncate(values.astype(np.float64), result, vector_body=source != np.float16)
        return values.astype(result).astype(register_dtype(result), copy=False)


def _truncate(values: Array, result: Dtype, *, vector_body: bool) -> Array:
    whole = np.trunc(values)
    bits = 8 * result.itemsize
    register = max(bits, 32)
    half, full = 2.0 ** (register - 1), 2.0**register
    inside = (whole >= -half) & (whole < half)
    signed = np.where(inside, whole, 0).astype(np.int64)
    if bits < 32:
        return signed.astype(result)
    if result.kind == "i":
        return np.where(inside, signed, np.iinfo(result).min).astype(result)
    upper = (whole >= half) & (whole < full)
    above = np.where(upper, whole - half, 0).astype(np.int64).astype(np.uint64) + np.uint64(half)
    outside = np.uint64(0 if bits == 32 and not vector_body else half)
    overflow = np.where(whole >= full, np.uint64(0), outside)
    return np.where(inside, signed.astype(np.uint64), np.where(upper, above, overflow)).astype(result)


def saturate(values: Array, source: Dtype, result: Dtype) -> Array:
    """The conversion at a store: to integers it rounds halves to even and clamps, NaN becomes 0; else a cast.

    Parameters
    ----------
    values : ndarray
        Of ``register_dtype(source)``.
    source, result : numpy.dtype

    Returns
    -------
    ndarray
        Of ``register_dtype(result)``.
    """
    if result.kind not in "iu" or source.kind == "b":
        return convert(values, source, result)
    limits = np.iinfo(result)
    if source.kind in "iu":
        bounds = np.iinfo(source)
        return np.clip(values, max(limits.min, bounds.min), min(limits.max, bounds.max)).astype(result)
    with np.errstate(all="ignore"):
        whole = np.rint(values.astype(np.float64))
        high = whole >= 2.0 ** (8 * result.itemsize - (result.kind == "i"))
        low = whole < float(limits.min)
        inside = np.where(high | low | np.isnan(whole), 0.0, whole).astype(result)
    limited = np.where(high, np.array(limits.max, result), np.where(low, np.array(limits.min, result), inside))
    return limited.astype(result)


@lru_cache(maxsize=32)
def run_bits(most: int) -> tuple[int, ...]:
    """``c * log2(c)`` for c from 0 to `most`, as integers of `run_fraction` binary places.

    Sums of integers do not depend on their order, nor on the way in which equal samples were found. Sums for `most`
    elements in all fit into 63 bits.

    Examples
    --------
    >>> [number / 2.0 ** run_fraction(4) for number in run_bits(4)]
    [0.0, 0.0, 2.0, 4.754887502163468, 8.0]
    """
    unit = 2.0 ** run_fraction(most)
    return (0, *(round(c * math.log2(c) * unit) for c in range(1, most + 1)))


def run_fraction(most: int) -> int:
    """Binary places of `run_bits`."""
    return 62 - math.ceil(most * math.log2(max(2, most))).bit_length()
