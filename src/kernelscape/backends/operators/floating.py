"""Operators on floating values (float16 is held as float), exact where NumPy's are: order, remainders, rounding.

Elementary functions are in ``vector_math.py``. Minimum and maximum are written with compare and select in the operand
order of x86's ``minps(a, b)``, which is ``a < b ? a : b``, so that each select is one instruction: of the two orders
``minps(a, b)`` and ``minps(b, a)`` one returns the NaN if there is one, and one returns -0 of two zeros, so their *or*
is the minimum that propagates NaN and in which -0 is less than +0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kernelscape.backends.ir import INTEGER_OF, MANTISSA_BITS, Builder, Value, constant
from kernelscape.backends.operators.masks import any_lane, both, either, exclusive
from kernelscape.backends.vector_math.rounding import ceil, floor, round_even, trunc
from kernelscape.machine import Target

Dtype = np.dtype[Any]


def like(value: Value, number: float) -> Value:
    """A constant of a value's type."""
    return constant(value.type, number)


def magnitude(builder: Builder, a: Value) -> Value:
    """The absolute value."""
    return builder.intrinsic("fabs", a.type, a)


def with_sign(builder: Builder, a: Value, b: Value) -> Value:
    """The magnitude of a with the sign of b."""
    return builder.intrinsic("copysign", a.type, a, b)


# -- order -------------------------------------------------------------------------------------------------------------


def minimum_without_nan(builder: Builder, a: Value, b: Value) -> Value:
    """The smaller of two numbers in one instruction: ``a < b ? a : b``.

    For values known not to be NaN (otherwise it is b), where it does not matter which of two zeros comes out (it is b).
    """
    return builder.select(builder.fcmp("olt", a, b), a, b)


def maximum_without_nan(builder: Builder, a: Value, b: Value) -> Value:
    """The larger of two numbers in one instruction: ``a > b ? a : b``; for values as in `minimum_without_nan`."""
    return builder.select(builder.fcmp("ogt", a, b), a, b)


def minimum(builder: Builder, a: Value, b: Value) -> Value:
    """The smaller value; NaN if either is, and -0 is less than +0."""
    pair = (minimum_without_nan(builder, a, b), minimum_without_nan(builder, b, a))
    bits = either(builder, *(builder.bitcast(v, INTEGER_OF[a.type.element]) for v in pair))
    return builder.bitcast(bits, a.type.element)


def maximum(builder: Builder, a: Value, b: Value) -> Value:
    """The larger value; NaN if either is, and -0 is less than +0."""
    pair = (maximum_without_nan(builder, a, b), maximum_without_nan(builder, b, a))
    bits = both(builder, *(builder.bitcast(v, INTEGER_OF[a.type.element]) for v in pair))
    unordered = builder.convert("sext", builder.fcmp("uno", a, b), bits.type)
    return builder.bitcast(either(builder, bits, unordered), a.type.element)


def _passing_nan(order: Callable[[Builder, Value, Value], Value]) -> Callable[[Builder, Value, Value], Value]:
    """`fmin` and `fmax`: a NaN is replaced by the other operand first."""

    def ordered(builder: Builder, a: Value, b: Value) -> Value:
        left = builder.select(builder.fcmp("uno", a, a), b, a)
        right = builder.select(builder.fcmp("uno", b, b), a, b)
        return order(builder, left, right)

    return ordered


# -- remainders --------------------------------------------------------------------------------------------------------


def fmod(builder: Builder, target: Target, a: Value, b: Value) -> Value:
    """The exact remainder with the sign of a; NaN for b = 0, a infinite, or NaN."""
    # Numbered like a pure operation, so that ``a // b`` and ``a % b`` share it.
    return builder.remember(("fmod", a, b), lambda: _emit_fmod(builder, target, a, b))


def _emit_fmod(builder: Builder, target: Target, a: Value, b: Value) -> Value:
    dividend, divisor = magnitude(builder, a), magnitude(builder, b)
    finite = builder.fcmp("olt", dividend, like(a, math.inf))
    divisible = both(builder, finite, builder.fcmp("ogt", divisor, like(b, 0.0)))
    # Lanes in which there is nothing to subtract take part as 0 and 1.
    active = both(builder, divisible, builder.fcmp("oge", dividend, divisor))
    unchanged = builder.fcmp("olt", dividend, divisor)
    dividend = builder.select(active, dividend, like(a, 0.0))
    divisor = builder.select(active, divisor, like(b, 1.0))
    if a.type.element == "float":
        wide = a.type.of("double")
        wide_rest = _rest_of_floats(builder, *(builder.convert("fpext", v, wide) for v in (dividend, divisor)))
        rest = builder.convert("fptrunc", wide_rest, a.type)
    elif target.fma:
        rest = _rest_by_fused_steps(builder, target, dividend, divisor)
    else:
        rest = _rest_by_long_division(builder, dividend, divisor)
    otherwise = builder.select(unchanged, a, like(a, math.nan))
    return builder.select(active, with_sign(builder, rest, a), otherwise)


def _exponent(builder: Builder, a: Value) -> Value:
    """The exponent field of a double that is not negative, as an i64."""
    return builder.binary("lshr", builder.bitcast(a, "i64"), constant(a.type.of("i64"), 52))


def _excess(builder: Builder, difference: Value, most: int) -> Value:
    """By how much a difference of exponents is more than `most`; else 0."""
    zero = constant(difference.type, 0)
    above = builder.sub(difference, constant(difference.type, most))
    return builder.select(builder.icmp("sgt", above, zero), above, zero)


def _reduce(builder: Builder, dividend: Value, divisor: Value, step: Callable[[Value], Value]) -> Value:
    """Applies `step` to the dividend until it is less than the divisor in every lane."""
    place = builder.local(dividend.type)
    builder.store(dividend, place)

    def unfinished() -> Value:
        return any_lane(builder, builder.fcmp("oge", builder.load(dividend.type, place), divisor))

    builder.repeat(unfinished, lambda: builder.store(step(builder.load(dividend.type, place)), place))
    return builder.load(dividend.type, place)


def _rest_of_floats(builder: Builder, dividend: Value, divisor: Value) -> Value:
    """Remainder of two floats held as doubles.

    The divisor is scaled by a power of two until the quotient has at most 28 bits; its product with the divisor's 24
    bits is then exact, and so is the difference. Eleven steps suffice for any pair.
    """
    wide = dividend.type.of("i64")
    own = _exponent(builder, divisor)

    def step(rest: Value) -> Value:
        shift = _excess(builder, builder.sub(_exponent(builder, rest), own), 27)
        raised = builder.binary("shl", shift, constant(wide, 52))
        scaled = builder.bitcast(builder.add(builder.bitcast(divisor, "i64"), raised), "double")
        count = builder.convert("fptosi", builder.fdiv(rest, scaled), dividend.type.of("i32"))
        product = builder.fmul(builder.convert("sitofp", count, dividend.type), scaled)
        return _not_negative(builder, builder.fsub(rest, product), scaled)

    return _reduce(builder, dividend, divisor, step)


def _not_negative(builder: Builder, rest: Value, divisor: Value) -> Value:
    """Undoes a quotient that was rounded up."""
    return builder.select(builder.fcmp("olt", rest, like(rest, 0.0)), builder.fadd(rest, divisor), rest)


def _rest_by_fused_steps(builder: Builder, target: Target, dividend: Value, divisor: Value) -> Value:
    """Remainder of two doubles: with a quotient of at most 53 bits the fused difference is exact."""
    tiny = builder.fcmp("olt", divisor, like(divisor, 2.0**-1022))
    normal = builder.select(tiny, builder.fmul(divisor, like(divisor, 2.0**64)), divisor)
    integer = divisor.type.of("i64")
    lifted = builder.select(tiny, constant(integer, 64), constant(integer, 0))
    own = builder.sub(_exponent(builder, normal), lifted)

    def step(rest: Value) -> Value:
        shift = _excess(builder, builder.sub(_exponent(builder, rest), own), 52)
        scaled = _scaled(builder, divisor, shift)
        count = trunc(builder, target, builder.fdiv(rest, scaled))
        left = builder.intrinsic("fma", rest.type, builder.fneg(count), scaled, rest)
        return _not_negative(builder, left, scaled)

    return _reduce(builder, dividend, divisor, step)


def _scaled(builder: Builder, a: Value, exponent: Value) -> Value:
    """``a * 2**exponent`` for an i64 exponent that may exceed one double's range: in two factors."""
    first = builder.binary("ashr", exponent, constant(exponent.type, 1))
    for part in (first, builder.sub(exponent, first)):
        field = builder.binary("shl", builder.add(part, constant(part.type, 1023)), constant(part.type, 52))
        a = builder.fmul(a, builder.bitcast(field, "double"))
    return a


def _rest_by_long_division(builder: Builder, dividend: Value, divisor: Value) -> Value:
    """Remainder of two doubles in integers, eleven bits of the quotient at a time, where there is no fused product."""
    integer = dividend.type.of("i64")
    (high, top), (low, bottom) = (_decomposed(builder, v) for v in (dividend, divisor))
    rest, places = builder.local(integer), builder.local(integer)
    builder.store(builder.binary("urem", top, bottom), rest)
    builder.store(_excess(builder, builder.sub(high, low), 0), places)

    def unfinished() -> Value:
        return any_lane(builder, builder.icmp("sgt", builder.load(integer, places), constant(integer, 0)))

    def step() -> None:
        left = builder.load(integer, places)
        few = builder.icmp("slt", left, constant(integer, 11))
        count = builder.select(few, left, constant(integer, 11))
        moved = builder.binary("shl", builder.load(integer, rest), count)
        builder.store(builder.binary("urem", moved, bottom), rest)
        builder.store(builder.sub(left, count), places)

    builder.repeat(unfinished, step)
    found = builder.convert("sitofp", builder.load(integer, rest), dividend.type)
    return _scaled(builder, found, builder.sub(low, constant(integer, 1075)))


def _decomposed(builder: Builder, a: Value) -> tuple[Value, Value]:
    """Exponent field (1 for subnormals) and integer significand of a double that is not negative."""
    integer = a.type.of("i64")
    exponent = _exponent(builder, a)
    fraction = both(builder, builder.bitcast(a, "i64"), constant(integer, (1 << 52) - 1))
    subnormal = builder.icmp("eq", exponent, constant(integer, 0))
    significand = builder.select(subnormal, fraction, either(builder, fraction, constant(integer, 1 << 52)))
    return builder.select(subnormal, constant(integer, 1), exponent), significand


def _signed_rest(builder: Builder, target: Target, a: Value, b: Value) -> tuple[Value, Value, Value]:
    """`fmod`, whether it has to be moved to the divisor's side, and whether it is a zero."""
    rest = fmod(builder, target, a, b)
    zero = like(a, 0.0)
    is_zero = builder.fcmp("oeq", rest, zero)
    differ = exclusive(builder, builder.fcmp("olt", b, zero), builder.fcmp("olt", rest, zero))
    return rest, both(builder, builder.fcmp("une", rest, zero), differ), is_zero


def remainder(builder: Builder, target: Target, a: Value, b: Value) -> Value:
    """``a % b``, exact but for the one addition that brings it to the divisor's side."""
    rest, moved, is_zero = _signed_rest(builder, target, a, b)
    result = builder.select(moved, builder.fadd(rest, b), rest)
    return builder.select(is_zero, with_sign(builder, like(a, 0.0), b), result)


def floor_divide(builder: Builder, target: Target, a: Value, b: Value) -> Value:
    """``a // b``: the quotient of what the remainder leaves, brought to the nearest whole number."""
    rest, moved, _ = _signed_rest(builder, target, a, b)
    zero, ratio = like(a, 0.0), builder.fdiv(a, b)
    whole = builder.fdiv(builder.fsub(a, rest), b)
    whole = builder.select(moved, builder.fsub(whole, like(a, 1.0)), whole)
    lower = floor(builder, target, whole)
    far = builder.fcmp("ogt", builder.fsub(whole, lower), like(a, 0.5))
    nearest = builder.select(far, builder.fadd(lower, like(a, 1.0)), lower)
    result = builder.select(builder.fcmp("une", whole, zero), nearest, with_sign(builder, zero, ratio))
    return builder.select(builder.fcmp("oeq", b, zero), ratio, result)


# -- the rest ----------------------------------------------------------------------------------------------------------


def sign(builder: Builder, a: Value) -> Value:
    """-1, +0 or 1, and NaN for NaN."""
    zero = like(a, 0.0)
    below = builder.select(builder.fcmp("olt", a, zero), like(a, -1.0), a)
    nothing = builder.select(builder.fcmp("oeq", a, zero), zero, below)
    return builder.select(builder.fcmp("ogt", a, zero), like(a, 1.0), nothing)


def heaviside(builder: Builder, a: Value, at_zero: Value) -> Value:
    """0 below zero, `at_zero` at both zeros, 1 above, NaN for NaN."""
    zero = like(a, 0.0)
    step = builder.select(builder.fcmp("olt", a, zero), zero, builder.select(builder.fcmp("oeq", a, zero), at_zero, a))
    return builder.select(builder.fcmp("ogt", a, zero), like(a, 1.0), step)


def signbit(builder: Builder, a: Value) -> Value:
    """Whether the sign is set, of zeros and NaN too."""
    bits = builder.bitcast(a, INTEGER_OF[a.type.element])
    return builder.icmp("slt", bits, constant(bits.type, 0))


def _times(factor: Callable[[Any], Any]) -> Callable[[Builder, Target, Value], Value]:
    """A product with a constant that is computed in the value's own precision, as NumPy's degrees and radians are."""

    def product(builder: Builder, target: Target, a: Value) -> Value:
        kind = np.float32 if MANTISSA_BITS[a.type.element] == 23 else np.float64
        return builder.fmul(a, like(a, float(factor(kind))))

    return product


_TO_DEGREES = _times(lambda kind: kind(180) / kind(math.pi))
_TO_RADIANS = _times(lambda kind: kind(math.pi) / kind(180))

FLOATING: dict[str, Callable[..., Value]] = {
    "negative": lambda builder, target, a: builder.fneg(a),
    "absolute": lambda builder, target, a: magnitude(builder, a),
    "fabs": lambda builder, target, a: magnitude(builder, a),
    "sign": lambda builder, target, a: sign(builder, a),
    "square": lambda builder, target, a: builder.fmul(a, a),
    "reciprocal": lambda builder, target, a: builder.fdiv(like(a, 1.0), a),
    "sqrt": lambda builder, target, a: builder.intrinsic("sqrt", a.type, a),
    "floor": floor,
    "ceil": ceil,
    "trunc": trunc,
    "rint": round_even,
    "degrees": _TO_DEGREES,
    "rad2deg": _TO_DEGREES,
    "radians": _TO_RADIANS,
    "deg2rad": _TO_RADIANS,
    "isnan": lambda builder, target, a: builder.fcmp("uno", a, a),
    "isinf": lambda builder, target, a: builder.fcmp("oeq", magnitude(builder, a), like(a, math.inf)),
    "isfinite": lambda builder, target, a: builder.fcmp("olt", magnitude(builder, a), like(a, math.inf)),
    "signbit": lambda builder, target, a: signbit(builder, a),
    **{name: lambda builder, target, a: a for name in ("positive", "conjugate", "real")},
    "add": lambda builder, target, a, b: builder.fadd(a, b),
    "subtract": lambda builder, target, a, b: builder.fsub(a, b),
    "multiply": lambda builder, target, a, b: builder.fmul(a, b),
    "divide": lambda builder, target, a, b: builder.fdiv(a, b),
    "floor_divide": floor_divide,
    "remainder": remainder,
    "fmod": fmod,
    "copysign": lambda builder, target, a, b: with_sign(builder, a, b),
    "heaviside": lambda builder, target, a, b: heaviside(builder, a, b),
    "minimum": lambda builder, target, a, b: minimum(builder, a, b),
    "maximum": lambda builder, target, a, b: maximum(builder, a, b),
    "fmin": lambda builder, target, a, b: _passing_nan(minimum)(builder, a, b),
    "fmax": lambda builder, target, a, b: _passing_nan(maximum)(builder, a, b),
}

PREDICATES = {
    "less": "olt",
    "less_equal": "ole",
    "greater": "ogt",
    "greater_equal": "oge",
    "equal": "oeq",
    "not_equal": "une",
}
