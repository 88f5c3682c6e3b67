"""Logarithms and the inverse hyperbolic functions, which are logarithms.

x = 2^k·(1 + f) with sqrt(1/2) <= 1 + f < sqrt(2); log(1 + f) = f - (f²/2 - rest), where rest is a polynomial in f for
float, and s·(f²/2 + R(s²)) with s = f/(2 + f) for double (W. Cody's and K. C. Ng's form, in which the division's
rounding does not reach the leading terms). Functions of 1 + w take w as a pair and keep what 1 + w rounds away.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from kernelscape.backends.vector_math.exponential import LN2_PARTS
from kernelscape.backends.vector_math.lanes import (
    Lanes,
    bits_of,
    fast_two_sum,
    fma,
    larger,
    polynomial,
    two_product,
    two_sum,
    upper_half,
)

INFINITY = math.inf
SMALLEST_NORMAL = {"float": 2.0**-126, "double": 2.0**-1022}
TINY = {"float": 2.0**-26, "double": 2.0**-55}
"""Below, log1p(x) rounds to x."""
HUGE = {"float": 2.0**27, "double": 2.0**56}
"""Above, 1 + x and x cannot be told apart in a logarithm, and sqrt(x² + 1) is x."""

# 1/ln 2, 1/ln 10 and log10(2) in two parts: the first times half the digits, or times k, is exact.
INVERSE_LN2 = {
    "float": (1.4423828125, 0.00031222839606925845),
    "double": (1.4426950365304947, 4.3584687174185184e-09),
}
INVERSE_LN10 = {
    "float": (0.4342041015625, 9.038033749675378e-05),
    "double": (0.434294480830431, 1.0728208431540585e-09),
}
LOG10_2 = {
    "float": (0.301025390625, 4.605039066518657e-06),
    "double": (0.30102999566395283, 2.8363394551044964e-14),
}


class Split(NamedTuple):
    """x = 2^k·(1 + f); `field` holds k + bias in the place of the exponent."""

    k: Lanes
    f: Lanes
    field: Lanes


def split(x: Lanes, *, subnormal: bool = True) -> Split:
    """Exponent and fraction of a positive finite number; `subnormal` False where x cannot be subnormal."""
    width, bias = x.mantissa_bits, x.exponent_bias
    one, middle = bits_of(x.element, 1.0), bits_of(x.element, math.sqrt(0.5))
    offset = x.constant(float(bias))
    if subnormal:
        low = x < SMALLEST_NORMAL[x.element]
        x = low.choose(x * 2.0 ** (width + 1), x)
        offset = low.choose(offset.constant(bias + width + 1.0), offset)
    shifted = x.bits() + (one - middle)
    field = shifted & (-1 << width)
    m = ((shifted & ((1 << width) - 1)) + middle).real()
    exponent = shifted.shift_right(width)
    if x.element == "float":
        k = exponent.convert("sitofp", "float") - offset
    else:  # a conversion from i64 is not an instruction everywhere, the bits of 2^52 + exponent are
        k = (exponent | bits_of("double", 2.0**52)).real() - (offset + 2.0**52)
    return Split(k, m - 1.0, field)


class _Fraction(NamedTuple):
    """log(1 + f) = f - (half_square - rest)."""

    half_square: Lanes
    rest: Lanes


def _fraction(f: Lanes) -> _Fraction:
    half_square = f * f * 0.5
    if f.element == "float":
        return _Fraction(half_square, (f * f) * f * polynomial(f, "log"))
    s = f / (f + 2.0)
    square = s * s
    return _Fraction(half_square, s * fma(square, polynomial(square, "log"), half_square))


def _guarded(x: Lanes, result: Lanes, pole: float) -> Lanes:
    """`result` for finite x above the pole, -inf at the pole, NaN below, x itself for inf and NaN."""
    special = x.equals(pole).choose(x.constant(-INFINITY), (x < pole).choose(x.constant(math.nan), x))
    return ((x > pole) & (x < INFINITY)).choose(result, special)


def log(x: Lanes) -> Lanes:
    """The natural logarithm."""
    k, f, _ = split(x)
    half_square, rest = _fraction(f)
    high, low = LN2_PARTS[x.element]
    return _guarded(x, fma(k, high, f - (half_square - fma(k, low, rest))), 0.0)


def _with_base(x: Lanes, inverse: tuple[float, float], unit: tuple[float, float]) -> Lanes:
    """log(1 + f)/ln(base) + k·unit with products of the leading parts exact (as in FreeBSD's e_log2.c)."""
    k, f, _ = split(x)
    half_square, rest = _fraction(f)
    high = upper_half(f - half_square)
    low = ((f - high) - half_square) + rest
    product = high * inverse[0]
    tail = fma(low + high, inverse[1], low * inverse[0])
    if unit[1]:
        tail = fma(k, unit[1], tail)
    total = fast_two_sum(k * unit[0], product)
    return _guarded(x, total.high + (total.low + tail), 0.0)


def log2(x: Lanes) -> Lanes:
    """The logarithm of base 2, exact for powers of two."""
    return _with_base(x, INVERSE_LN2[x.element], (1.0, 0.0))


def log10(x: Lanes) -> Lanes:
    """The logarithm of base 10."""
    return _with_base(x, INVERSE_LN10[x.element], LOG10_2[x.element])


def log1p_of_pair(high: Lanes, low: Lanes | float, doublings: Lanes | float = 0.0) -> Lanes:
    """log(1 + high + low) + doublings·ln 2 for finite high > -1."""
    u = two_sum(high.constant(1.0), high)
    k, f, field = split(u.high, subnormal=False)
    width, bias = f.mantissa_bits, f.exponent_bias
    scale = larger(((2 * bias) << width) - field, 1 << width).real()
    error = u.low + low if isinstance(low, Lanes) else u.low
    total = fast_two_sum(f, error * scale)
    f = total.high
    half_square, rest = _fraction(f)
    k = k + doublings if isinstance(doublings, Lanes) else k
    ln2_high, ln2_low = LN2_PARTS[f.element]
    small = fma(k, ln2_low, fma(-total.low, f, total.low))
    return fma(k, ln2_high, f - (half_square - (rest + small)))


def log1p(x: Lanes) -> Lanes:
    """log(1 + x), without cancellation near 0."""
    result = _guarded(x, log1p_of_pair(x, 0.0), -1.0)
    return (abs(x) < TINY[x.element]).choose(x, result)


def arcsinh(x: Lanes) -> Lanes:
    """log1p(|x| + x²/(1 + sqrt(1 + x²))), with the sign of x."""
    size = abs(x)
    huge = size > HUGE[x.element]
    square = size * size
    w = two_sum(size, square / ((square + 1.0).sqrt() + 1.0))
    high, low = huge.choose(size, w.high), huge.choose(size.constant(0.0), w.low)
    result = log1p_of_pair(high, low, huge.choose(size.constant(1.0), 0.0)).with_sign_of(x)
    return ((size >= TINY[x.element]) & (size < INFINITY)).choose(result, x)


def arccosh(x: Lanes) -> Lanes:
    """log1p(t + sqrt(t² + 2 t)) with t = x - 1."""
    huge = x > HUGE[x.element]
    t = x - 1.0
    w = two_sum(t, fma(t, t, t + t).sqrt())
    high, low = huge.choose(x, w.high), huge.choose(x.constant(0.0), w.low)
    result = log1p_of_pair(high, low, huge.choose(x.constant(1.0), 0.0))
    special = (x < 1.0).choose(x.constant(math.nan), x)
    return ((x >= 1.0) & (x < INFINITY)).choose(result, special)


def arctanh(x: Lanes) -> Lanes:
    """log1p(2|x|/(1 - |x|))/2 with the sign of x; the quotient is a pair."""
    size = abs(x)
    d = 1.0 - size
    d_low = (1.0 - d) - size
    q = (size + size) / d
    product = two_product(q, d)
    q_low = (((size + size) - product.high) - product.low - q * d_low) / d
    result = (log1p_of_pair(q, q_low) * 0.5).with_sign_of(x)
    pole = x.constant(INFINITY).with_sign_of(x)
    special = size.equals(1.0).choose(pole, (size > 1.0).choose(x.constant(math.nan), x))
    return ((size >= TINY[x.element]) & (size < 1.0)).choose(result, special)
