"""Powers and roots.

x^y = exp(y·log x). The exponent of the result magnifies an error of the logarithm by up to 2^10, so that it is needed
with some 66 bits for double: it is a pair of numbers. For float, double arithmetic has them already.
"""

from __future__ import annotations

import math

from kernelscape.backends.vector_math.exponential import EXP_RANGE, LN2_PARTS, exp_of_reduced, reduced, scaled
from kernelscape.backends.vector_math.lanes import (
    Lanes,
    Pair,
    fast_two_sum,
    fma,
    larger,
    magic,
    polynomial,
    smaller,
    two_product,
)
from kernelscape.backends.vector_math.logarithmic import split
from kernelscape.backends.vector_math.rounding import trunc_of

TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)
LARGEST_EXPONENT = 2.0**66
"""A larger |y| overflows or underflows for every x but 1, as this one does."""

# x^(-1/3) has about the bits _CUBE_ROOT - bits/3 (the same trick as for 1/sqrt), within 4 %.
_CUBE_ROOT = {"float": 0x548C39CB, "double": 0x553EF0FF}


def _log_pair(x: Lanes) -> Pair:
    """log(x) of a positive finite double within 2^-66: 2 s + s³·(2/3 + s²·P(s²)), all but P in pairs."""
    k, f, _ = split(x)
    d = f + 2.0
    inverse = 1.0 / d
    s = f * inverse
    product = two_product(s, d)
    s_low = (((f - product.high) - product.low) - s * (f - (d - 2.0))) * inverse
    square = two_product(s, s)
    square_low = fma(s * s_low, 2.0, square.low)
    cube = two_product(square.high, s)
    cube_low = cube.low + fma(square.high, s_low, square_low * s)
    tail = polynomial(square.high, "logtail")
    factor = fast_two_sum(s.constant(TWO_THIRDS[0]), square.high * tail)
    factor_low = factor.low + fma(square_low, tail, TWO_THIRDS[1])
    third = two_product(cube.high, factor.high)
    third_low = third.low + fma(cube.high, factor_low, cube_low * factor.high)
    series = fast_two_sum(s * 2.0, third.high)
    total = fast_two_sum(k * LN2_PARTS["double"][0], series.high)
    low = total.low + (series.low + fma(s_low, 2.0, third_low))
    return fast_two_sum(total.high, fma(k, LN2_PARTS["double"][1], low))


def _double_power(x: Lanes, y: Lanes) -> Lanes:
    log = _log_pair(x)
    y = larger(smaller(y, LARGEST_EXPONENT), -LARGEST_EXPONENT)
    product = two_product(y, log.high)
    low, high = EXP_RANGE["double"]
    clamped = larger(smaller(product.high, high), low)
    tail = clamped.equals(product.high).choose(fma(y, log.low, product.low), 0.0)
    parts = reduced(clamped, 2 * 1023, tail)
    return scaled(exp_of_reduced(parts), parts.shifted, parts.n)


def _float_power(x: Lanes, y: Lanes) -> Lanes:
    """In double; the conversion rounds once, to subnormal numbers and infinity as well."""
    wide_x, wide_y = x.convert("fpext", "double"), y.convert("fpext", "double")
    k, f, _ = split(wide_x, subnormal=False)
    s = f / (f + 2.0)
    log2 = fma(s, polynomial(s * s, "powlog2"), k)
    t = larger(smaller(wide_y * log2, 129.0), -151.0)
    shift = magic(t)
    shifted = t + shift
    r = t - (shifted - shift)
    exponent = shifted.bits() << 52
    result = (polynomial(r, "powexp2").bits() + exponent).real()
    return result.convert("fptrunc", "float")


def power(x: Lanes, y: Lanes) -> Lanes:
    """x^y, with all special cases of C99 (F.9.4.4)."""
    size = abs(x)
    result = _float_power(size, y) if x.element == "float" else _double_power(size, y)
    zero, infinity = x.constant(0.0), x.constant(math.inf)
    grows = (size > 1.0) ^ (y < 0.0)
    extreme = size.equals(0.0) | size.equals(math.inf) | abs(y).equals(math.inf)
    result = extreme.choose(grows.choose(infinity, zero), result)
    whole = trunc_of(y).equals(y)
    half = y * 0.5
    odd = whole & trunc_of(half).differs(half)
    result = ((x.bits() < 0) & odd).choose(-result, result)
    undefined = (x < 0.0) & (x > -math.inf) & ~whole
    result = undefined.choose(x.constant(math.nan), result)
    result = (x.is_nan() | y.is_nan()).choose(x + y, result)
    one = size.equals(1.0) & ((x > 0.0) | abs(y).equals(math.inf))
    return (one | y.equals(0.0)).choose(x.constant(1.0), result)


def _inverse_cube_root_guess(a: Lanes) -> Lanes:
    """Within 4 %; a conversion from i64 is not an instruction everywhere, so double uses its upper half."""
    bits = a.bits()
    if a.element == "double":
        bits = bits.shift_right(32).convert("trunc", "i32")
    third = (bits.convert("sitofp", a.element) * (1.0 / 3.0)).convert("fptosi", "i32")
    guess = bits.constant(_CUBE_ROOT[a.element]) - third
    if a.element == "float":
        return guess.real()
    return (guess.convert("zext", "i64") << 32).real()


def cbrt(x: Lanes) -> Lanes:
    """The cube root: y = a^(-1/3) by steps of fourth order without division, then a·y² corrected by its residual."""
    size = abs(x)
    step = 60 if x.element == "float" else 600
    low, high = size < 2.0**-step, size > 2.0**step  # there the products below would underflow or overflow
    a = size * low.choose(size.constant(2.0**step), high.choose(size.constant(2.0**-step), 1.0))
    y = _inverse_cube_root_guess(a)
    for _ in range(2):
        e = 1.0 - (a * y) * (y * y)
        y = fma(y * e, fma(fma(e, 14 / 81, 2 / 9), e, 1 / 3), y)
    z = (a * y) * y
    square = two_product(z, z)
    cube = two_product(square.high, z)
    residual = ((a - cube.high) - cube.low) - square.low * z
    z = fma(residual, y * y * (1.0 / 3.0), z)
    third = step // 3
    z = z * low.choose(z.constant(2.0**-third), high.choose(z.constant(2.0**third), 1.0))
    z = z.with_sign_of(x)
    return ((size > 0.0) & (size < math.inf)).choose(z, x)


def hypot(x: Lanes, y: Lanes) -> Lanes:
    """sqrt(x² + y²) without overflow; infinite if one is infinite, even beside NaN."""
    a, b = abs(x), abs(y)
    if x.element == "float":
        wide_a, wide_b = a.convert("fpext", "double"), b.convert("fpext", "double")
        result = fma(wide_a, wide_a, wide_b * wide_b).sqrt().convert("fptrunc", "float")
    else:
        most = larger(a, b)
        low, high = most < 2.0**-500, most > 2.0**500
        scale = low.choose(a.constant(2.0**600), high.choose(a.constant(2.0**-600), 1.0))
        back = low.choose(a.constant(2.0**-600), high.choose(a.constant(2.0**600), 1.0))
        a_scaled, b_scaled = a * scale, b * scale
        result = fma(a_scaled, a_scaled, b_scaled * b_scaled).sqrt() * back
    return (a.equals(math.inf) | b.equals(math.inf)).choose(a.constant(math.inf), result)


def sqrt(x: Lanes) -> Lanes:
    """The square root, rounded correctly."""
    return x.sqrt()
