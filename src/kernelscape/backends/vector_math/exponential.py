"""Exponentials and hyperbolic functions.

exp(x) = 2^n · exp(r) with n = round(x / ln 2) and |r| <= ln(2)/2 (Cody & Waite, Software Manual for the Elementary
Functions, 1980).  n comes from the addition of a large number, so that it stands in the low bits of the sum and builds
powers of two without a conversion. A power of two is applied in two halves: no half leaves the normal range, and a
subnormal result is rounded once (AVX-512 has an instruction that does it at once, to the same bits). Arguments are
clamped to where the result is 0 or infinite anyway; clamps keep NaN.
"""

from __future__ import annotations

from typing import NamedTuple

from kernelscape.backends.vector_math.lanes import Lanes, fma, larger, magic, polynomial, smaller

LN2_PARTS = {
    "float": (0.693145751953125, 1.428606765330187e-06),
    "double": (0.6931471805598903, 5.497923018708371e-14),
}
"""ln 2 in two parts; the first has so few digits that n times it is exact."""
LOG2_E = 1.4426950408889634

# Above and below, exp is infinite or rounds to zero; the same for 2^x, expm1 and sinh.
EXP_RANGE = {"float": (-104.0, 89.0), "double": (-746.0, 710.0)}
EXP2_RANGE = {"float": (-151.0, 129.0), "double": (-1076.0, 1025.0)}
EXPM1_RANGE = {"float": (-18.0, 89.0), "double": (-40.0, 710.0)}
SINH_LIMIT = {"float": 90.0, "double": 711.0}
TANH_LIMIT = {"float": 10.0, "double": 20.0}
TINY = {"float": 2.0**-13, "double": 2.0**-28}
"""Below, x + x³/6 rounds to x."""


class Reduced(NamedTuple):
    """x = n·ln 2 + r; the low bits of `shifted` hold n + offset."""

    n: Lanes
    r: Lanes
    shifted: Lanes
    exact: Lanes
    """x less n times the first part of ln 2."""
    rest: Lanes | None
    """Less n times the second, and a tail; None where that was fused into r."""

    def r_low(self) -> Lanes:
        """What rounding took from r."""
        if self.rest is not None:
            return (self.exact - self.r) + self.rest
        return fma(self.n, -LN2_PARTS[self.n.element][1], self.exact - self.r)


def reduced(x: Lanes, offset: int, tail: Lanes | None = None) -> Reduced:
    """The argument reduction of exp of x + tail, for |x| that is not larger than some hundreds."""
    high, low = LN2_PARTS[x.element]
    shift = magic(x) + offset
    shifted = fma(x, LOG2_E, shift)
    n = shifted - shift
    exact = fma(n, -high, x)
    if tail is None:
        return Reduced(n, fma(n, -low, exact), shifted, exact, None)
    rest = fma(n, -low, tail)
    return Reduced(n, exact + rest, shifted, exact, rest)


def scaled(p: Lanes, shifted: Lanes, n: Lanes) -> Lanes:
    """p·2^n where the low bits of `shifted` hold n + 2·bias; rounded once, whichever way it is done."""
    at_once = p.scaled_by_instruction(n)
    if at_once is not None:
        return at_once
    field = shifted.bits()
    half = field.shift_right(1)
    other = field - half
    width = p.mantissa_bits
    return (p * (half << width).real()) * (other << width).real()


def _power(shifted: Lanes) -> Lanes:
    """2^n where the low bits of `shifted` hold n + bias and 2^n is a normal number."""
    return (shifted.bits() << shifted.mantissa_bits).real()


def _clamped(x: Lanes, limits: tuple[float, float]) -> Lanes:
    return larger(smaller(x, limits[1]), limits[0])


def exp_of_reduced(parts: Reduced) -> Lanes:
    """e^r. Where products are rounded, Horner's last steps round too much, and what r lost is added again."""
    r = parts.r
    p = polynomial(r, "exp")
    if r.target.fma:
        return fma(fma(p, r, 1.0), r, 1.0)
    return 1.0 + (r + (r * r * p + parts.r_low()))


def exp(x: Lanes) -> Lanes:
    """e^x."""
    parts = reduced(_clamped(x, EXP_RANGE[x.element]), 2 * x.exponent_bias)
    return scaled(exp_of_reduced(parts), parts.shifted, parts.n)


def exp2(x: Lanes) -> Lanes:
    """2^x, exact for integers."""
    x = _clamped(x, EXP2_RANGE[x.element])
    shift = magic(x) + 2 * x.exponent_bias
    shifted = x + shift
    n = shifted - shift
    r = x - n
    return scaled(fma(polynomial(r, "exp2"), r, 1.0), shifted, n)


def expm1(x: Lanes) -> Lanes:
    """e^x - 1, without cancellation near 0: 2^n·(e^r - 1) + (2^n - 1)."""
    parts = reduced(_clamped(x, EXPM1_RANGE[x.element]), x.exponent_bias - 1)
    r = parts.r
    tail = fma(r * r, polynomial(r, "expm1"), parts.r_low())
    half = _power(parts.shifted)
    result = fma(half, tail, fma(half, r, half - 0.5)) * 2.0
    return parts.n.equals(0.0).choose(r + tail, result).with_sign_of(x)


class _Parts(NamedTuple):
    """2^(n-3) and 2^(-n-3), a quarter of what sinh and cosh of n·ln 2 are made of; r, sinh(r) - r and cosh(r) - 1."""

    up: Lanes
    down: Lanes
    r: Lanes
    sinh_less_r: Lanes
    cosh_less_one: Lanes


def _hyperbolic(x: Lanes) -> _Parts:
    """What sinh and cosh of |x| = n·ln 2 + r are made of; no part overflows before the result does."""
    width, bias = x.mantissa_bits, x.exponent_bias
    parts = reduced(smaller(abs(x), SINH_LIMIT[x.element]), bias - 3)
    field = parts.shifted.bits() << width
    up = field.real()
    down = larger(((2 * bias - 6) << width) - field, 1 << width).real()
    r = parts.r
    square = r * r
    sinh_less_r = fma(square * r, polynomial(square, "sinh"), parts.r_low())
    return _Parts(up, down, r, sinh_less_r, square * polynomial(square, "cosh"))


def sinh(x: Lanes) -> Lanes:
    """Sinh(n·ln 2 + r) = sinh(n·ln 2) cosh(r) + cosh(n·ln 2) sinh(r)."""
    h = _hyperbolic(x)
    difference, total = h.up - h.down, h.up + h.down
    tail = fma(h.cosh_less_one, difference, h.sinh_less_r * total)
    result = (difference + fma(h.r, total, tail)) * 4.0
    return (abs(x) < TINY[x.element]).choose(x, result.with_sign_of(x))


def cosh(x: Lanes) -> Lanes:
    """Cosh(n·ln 2 + r) = cosh(n·ln 2) cosh(r) + sinh(n·ln 2) sinh(r)."""
    h = _hyperbolic(x)
    difference, total = h.up - h.down, h.up + h.down
    tail = fma(h.cosh_less_one, total, h.sinh_less_r * difference)
    return (h.up + (h.down + fma(h.r, difference, tail))) * 4.0


def tanh(x: Lanes) -> Lanes:
    """A polynomial up to 9/16, above 1 - 2/(e^2|x| + 1), where the rounding of the fraction hardly matters."""
    size = abs(x)
    parts = reduced(smaller(size, TANH_LIMIT[x.element]) * 2.0, x.exponent_bias)
    large = 1.0 - 2.0 / fma(exp_of_reduced(parts), _power(parts.shifted), 1.0)
    square = size * size
    small = fma(square * size, polynomial(square, "tanh"), size)
    return (size < 0.5625).choose(small, large).with_sign_of(x)
