"""Operators on integers and booleans, with every case that LLVM leaves undefined taken away before the operation.

Rules: divisors are never 0 or (signed) -1 when a division is written, shift counts are below the width, and nothing
says that a result does not wrap. No vector unit divides integers: up to 16 bits the quotient is taken in float32 and
for 32 bits in float64. That needs no correction: if a/b is not whole, it differs from the next whole number n by at
least 1/b, which relative to n is about 1/a >= 2^-16 (2^-32), far more than the rounding of 2^-24 (2^-53). Divisions by
a constant are left to LLVM, which multiplies by a reciprocal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kernelscape.backends.ir import I1, Builder, Value, constant
from kernelscape.backends.operators.masks import any_lane, both, either, exclusive, known_integer, negate

Dtype = np.dtype[Any]


def is_signed(dtype: Dtype) -> bool:
    """Whether a dtype is a signed integer."""
    return dtype.kind == "i"


def like(value: Value, number: int) -> Value:
    """A constant of a value's type."""
    return constant(value.type, number)


def negative(builder: Builder, a: Value) -> Value:
    """``-a``, which wraps."""
    return builder.binary("sub", like(a, 0), a)


# -- division ----------------------------------------------------------------------------------------------------------


def quotient(builder: Builder, a: Value, b: Value, dtype: Dtype) -> Value:
    """``a / b`` without its fraction; 0 for b = 0, wrapped for INT_MIN / -1."""
    known = known_integer(b)
    if known is not None:
        return _quotient_by_known(builder, a, b, known, dtype)
    zero = builder.icmp("eq", b, like(b, 0))
    return builder.select(zero, like(a, 0), _guarded_quotient(builder, a, b, zero, dtype))


def _quotient_by_known(builder: Builder, a: Value, b: Value, known: int, dtype: Dtype) -> Value:
    if known == 0:
        return like(a, 0)
    if known == 1:
        return a
    if is_signed(dtype):
        return negative(builder, a) if known == -1 else builder.binary("sdiv", a, b)
    return builder.binary("udiv", a, b)


def _guarded_quotient(builder: Builder, a: Value, b: Value, zero: Value, dtype: Dtype) -> Value:
    signed = is_signed(dtype)
    one = like(b, 1)
    if a.type.bits <= 16 and a.type.lanes > 1:
        return _floating_quotient(builder, a, builder.select(zero, one, b), "float", signed)
    if not signed:
        safe = builder.select(zero, one, b)
        if a.type.bits == 32 and a.type.lanes > 1:
            return _floating_quotient(builder, a, safe, "double", signed)
        return builder.binary("udiv", a, safe)
    minus = builder.icmp("eq", b, like(b, -1))
    safe = builder.select(either(builder, zero, minus), one, b)
    if a.type.bits == 32 and a.type.lanes > 1:
        result = _floating_quotient(builder, a, safe, "double", signed)
    else:
        result = builder.binary("sdiv", a, safe)
    return builder.select(minus, negative(builder, a), result)


def _floating_quotient(builder: Builder, a: Value, b: Value, element: str, signed: bool) -> Value:
    wide = a.type.of(element)
    to_float, from_float = ("sitofp", "fptosi") if signed or a.type.bits <= 16 else ("uitofp", "fptoui")
    if not signed and a.type.bits <= 16:
        a32, b32 = (builder.convert("zext", v, v.type.of("i32")) for v in (a, b))
    else:
        a32, b32 = a, b
    ratio = builder.fdiv(builder.convert(to_float, a32, wide), builder.convert(to_float, b32, wide))
    whole = builder.convert(from_float, ratio, a.type.of("i32"))
    return builder.convert("trunc", whole, a.type)


def _left_over(builder: Builder, a: Value, b: Value, dtype: Dtype) -> tuple[Value, Value]:
    """The quotient without its fraction, and what it leaves of a (0 for b = 0)."""
    result = quotient(builder, a, b, dtype)
    rest = builder.sub(a, builder.mul(result, b))
    known = known_integer(b)
    if known is None:
        rest = builder.select(builder.icmp("eq", b, like(b, 0)), like(a, 0), rest)
    elif known == 0:
        rest = like(a, 0)
    return result, rest


def _wrong_side(builder: Builder, rest: Value, b: Value) -> Value:
    """Where a rest has not the sign of the divisor."""
    differ = builder.icmp("slt", exclusive(builder, rest, b), like(b, 0))
    return both(builder, builder.icmp("ne", rest, like(b, 0)), differ)


def floor_divide(builder: Builder, a: Value, b: Value, dtype: Dtype) -> Value:
    """``a // b``, rounded down; 0 for b = 0."""
    if not is_signed(dtype):
        return quotient(builder, a, b, dtype)
    result, rest = _left_over(builder, a, b, dtype)
    return builder.add(result, builder.convert("sext", _wrong_side(builder, rest, b), a.type))


def remainder(builder: Builder, a: Value, b: Value, dtype: Dtype) -> Value:
    """``a % b`` with the sign of b; 0 for b = 0."""
    _, rest = _left_over(builder, a, b, dtype)
    if not is_signed(dtype):
        return rest
    return builder.add(rest, builder.select(_wrong_side(builder, rest, b), b, like(b, 0)))


def fmod(builder: Builder, a: Value, b: Value, dtype: Dtype) -> Value:
    """The remainder with the sign of a; 0 for b = 0."""
    return _left_over(builder, a, b, dtype)[1]


def reciprocal(builder: Builder, a: Value, dtype: Dtype) -> Value:
    """``1 / a`` without its fraction; for a = 0 what a cast of infinity gives."""
    unit = builder.icmp("eq", a, like(a, 1))
    result = builder.select(unit, like(a, 1), like(a, 0))
    if is_signed(dtype):
        result = builder.select(builder.icmp("eq", a, like(a, -1)), like(a, -1), result)
        if a.type.bits >= 32:
            lowest = like(a, -(1 << (a.type.bits - 1)))
            result = builder.select(builder.icmp("eq", a, like(a, 0)), lowest, result)
    return result


# -- powers ------------------------------------------------------------------------------------------------------------


def power(builder: Builder, a: Value, b: Value, dtype: Dtype) -> Value:
    """``a ** b`` by squaring; for b < 0 the true value without its fraction."""
    known = known_integer(b)
    if known is None:
        result = builder.remember(("integer power", a, b), lambda: _power_by_squaring(builder, a, b))
        if not is_signed(dtype):
            return result
        below = builder.icmp("slt", b, like(b, 0))
        return builder.select(below, _unit_power(builder, a, b), result)
    if known < 0 and is_signed(dtype):
        return _unit_power(builder, a, b)
    return _known_power(builder, a, known % (1 << a.type.bits))


def _known_power(builder: Builder, a: Value, exponent: int) -> Value:
    result: Value | None = None
    square = a
    while exponent:
        if exponent & 1:
            result = square if result is None else builder.mul(result, square)
        exponent >>= 1
        if exponent:
            square = builder.mul(square, square)
    return like(a, 1) if result is None else result


def _unit_power(builder: Builder, a: Value, b: Value) -> Value:
    """``a ** b`` for b < 0: 0 but for a = 1 and a = -1."""
    odd = builder.icmp("ne", both(builder, b, like(b, 1)), like(b, 0))
    of_minus = builder.select(odd, like(a, -1), like(a, 1))
    result = builder.select(builder.icmp("eq", a, like(a, -1)), of_minus, like(a, 0))
    return builder.select(builder.icmp("eq", a, like(a, 1)), a, result)


def _power_by_squaring(builder: Builder, a: Value, b: Value) -> Value:
    """Multiplies the squares of a that the bits of b ask for, until no lane has bits left."""
    result, square, bits = (builder.local(a.type) for _ in range(3))
    for place, start in ((result, like(a, 1)), (square, a), (bits, b)):
        builder.store(start, place)

    def unfinished() -> Value:
        left = builder.load(a.type, bits)
        return any_lane(builder, builder.icmp("ne", left, like(a, 0)))

    def step() -> None:
        left, factor, product = (builder.load(a.type, place) for place in (bits, square, result))
        odd = builder.icmp("ne", both(builder, left, like(a, 1)), like(a, 0))
        builder.store(builder.select(odd, builder.mul(product, factor), product), result)
        builder.store(builder.mul(factor, factor), square)
        builder.store(builder.binary("lshr", left, like(a, 1)), bits)

    builder.repeat(unfinished, step)
    return builder.load(a.type, result)


# -- shifts, order, comparison -----------------------------------------------------------------------------------------


def left_shift(builder: Builder, a: Value, count: Value, dtype: Dtype) -> Value:
    """``a << count``; 0 where the count is negative or not below the width."""
    return _emptying_shift(builder, "shl", a, count)


def right_shift(builder: Builder, a: Value, count: Value, dtype: Dtype) -> Value:
    """``a >> count``; copies of the sign where the count is negative or not below the width."""
    if not is_signed(dtype):
        return _emptying_shift(builder, "lshr", a, count)
    most = builder.intrinsic("umin", a.type, count, like(count, a.type.bits - 1))
    return builder.binary("ashr", a, most)


def _emptying_shift(builder: Builder, opcode: str, a: Value, count: Value) -> Value:
    known = known_integer(count)
    if known is not None:
        return builder.binary(opcode, a, count) if 0 <= known < a.type.bits else like(a, 0)
    inside = builder.icmp("ult", count, like(count, a.type.bits))
    shifted = builder.binary(opcode, a, builder.select(inside, count, like(count, 0)))
    return builder.select(inside, shifted, like(a, 0))


def sign(builder: Builder, a: Value, dtype: Dtype) -> Value:
    """-1, 0 or 1."""
    if not is_signed(dtype):
        return builder.convert("zext", builder.icmp("ne", a, like(a, 0)), a.type)
    above = builder.convert("zext", builder.icmp("sgt", a, like(a, 0)), a.type)
    return either(builder, above, builder.binary("ashr", a, like(a, a.type.bits - 1)))


def absolute(builder: Builder, a: Value, dtype: Dtype) -> Value:
    """The magnitude; INT_MIN stays as it is."""
    return builder.intrinsic("abs", a.type, a, constant(I1, 0)) if is_signed(dtype) else a


def minimum(builder: Builder, a: Value, b: Value, dtype: Dtype) -> Value:
    """The smaller of two integers."""
    return builder.intrinsic("smin" if is_signed(dtype) else "umin", a.type, a, b)


def maximum(builder: Builder, a: Value, b: Value, dtype: Dtype) -> Value:
    """The larger of two integers."""
    return builder.intrinsic("smax" if is_signed(dtype) else "umax", a.type, a, b)


PREDICATES = {
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "equal": "eq",
    "not_equal": "ne",
}
_SWAPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}


def compare(builder: Builder, predicate: str, a: Value, b: Value, left: Dtype, right: Dtype) -> Value:
    """Compare two integers of equal width by value, whatever their signs.

    Parameters
    ----------
    builder : Builder
    predicate : str
        A value of `PREDICATES`.
    a, b : Value
    left, right : numpy.dtype
        Dtypes of a and b; one may be int64 and the other uint64.
    """
    if left.kind != right.kind and not is_signed(left):
        return compare(builder, _SWAPPED[predicate], b, a, right, left)
    prefix = "" if predicate in ("eq", "ne") else "s" if is_signed(right) else "u"
    result = builder.icmp(prefix + predicate, a, b)
    if left.kind == right.kind:
        return result
    below = builder.icmp("slt", a, like(a, 0))
    if predicate in ("lt", "le", "ne"):
        return either(builder, below, result)
    return both(builder, negate(builder, below), result)


# -- the tables --------------------------------------------------------------------------------------------------------

Table = dict[str, Callable[..., Value]]


def _unchanged(builder: Builder, a: Value, dtype: Dtype) -> Value:
    return a


def _and_not(builder: Builder, a: Value, b: Value, dtype: Dtype) -> Value:
    return both(builder, negate(builder, a), b)


def _implies(builder: Builder, a: Value, b: Value, dtype: Dtype) -> Value:
    return either(builder, negate(builder, a), b)


INTEGER: Table = {
    "negative": lambda builder, a, dtype: negative(builder, a),
    "absolute": absolute,
    "sign": sign,
    "square": lambda builder, a, dtype: builder.mul(a, a),
    "reciprocal": reciprocal,
    "invert": lambda builder, a, dtype: negate(builder, a),
    "isnan": lambda builder, a, dtype: constant(a.type.of("i1"), 0),
    "isinf": lambda builder, a, dtype: constant(a.type.of("i1"), 0),
    "isfinite": lambda builder, a, dtype: constant(a.type.of("i1"), 1),
    **dict.fromkeys(("positive", "conjugate", "real", "floor", "ceil", "trunc"), _unchanged),
    "add": lambda builder, a, b, dtype: builder.add(a, b),
    "subtract": lambda builder, a, b, dtype: builder.sub(a, b),
    "multiply": lambda builder, a, b, dtype: builder.mul(a, b),
    "floor_divide": floor_divide,
    "remainder": remainder,
    "fmod": fmod,
    "power": power,
    "minimum": minimum,
    "maximum": maximum,
    "fmin": minimum,
    "fmax": maximum,
    "bitwise_and": lambda builder, a, b, dtype: both(builder, a, b),
    "bitwise_or": lambda builder, a, b, dtype: either(builder, a, b),
    "bitwise_xor": lambda builder, a, b, dtype: exclusive(builder, a, b),
    "left_shift": left_shift,
    "right_shift": right_shift,
}

BOOLEAN: Table = {
    **{name: INTEGER[name] for name in ("invert", "isnan", "isinf", "isfinite")},
    "logical_not": INTEGER["invert"],
    **dict.fromkeys(("absolute", "real", "floor", "ceil", "trunc"), _unchanged),
    **dict.fromkeys(("add", "maximum", "fmax", "bitwise_or", "logical_or"), INTEGER["bitwise_or"]),
    **dict.fromkeys(("multiply", "minimum", "fmin", "bitwise_and", "logical_and"), INTEGER["bitwise_and"]),
    **dict.fromkeys(("bitwise_xor", "logical_xor", "not_equal"), INTEGER["bitwise_xor"]),
    "equal": lambda builder, a, b, dtype: negate(builder, exclusive(builder, a, b)),
    "less": _and_not,
    "less_equal": _implies,
    "greater": lambda builder, a, b, dtype: _and_not(builder, b, a, dtype),
    "greater_equal": lambda builder, a, b, dtype: _implies(builder, b, a, dtype),
}
"""Booleans of Python's order: False is less than True."""
