"""sin, cos, tan: x = n·π/2 + r with |r| <= π/4, and r in two parts.

Up to `LIMIT` π/2 is subtracted in parts (Cody & Waite), every product and sum with its error, so that r keeps all its
digits next to a multiple of π/2 too. Larger arguments are rare: lanes that have one are computed again in
`reduction.py`, in double for both elements. The sign of x is taken off first and put back last, for the sign of zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kernelscape.backends.vector_math.lanes import (
    Lanes,
    Pair,
    fast_two_sum,
    fma,
    magic,
    polynomial,
    two_product,
    two_sum,
)
from kernelscape.backends.vector_math.reduction import reduce_huge, repaired

TWO_OVER_PI = 0.6366197723675814
LIMIT = {"float": 1500.0, "double": 2.0**19}
"""n has at most 10 and 19 bits below."""
FUSED_PARTS = {
    "float": (1.570796251296997, 7.549789415861596e-08, 5.390302953474238e-15),
    "double": (1.5707963267948966, 6.123233995736765e-17, 1.082856673921914e-32),
}
"""π/2 in full parts: n times a part is exact inside a fused multiply-add."""
PARTS = {
    "float": (1.5706787109375, 0.00011761486530303955, 9.920313459588215e-10, 6.223371969669989e-14),
    "double": (1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32),
}
"""π/2 in parts of few digits: n times a part is exact."""


class Angle(NamedTuple):
    """r in two parts, and an integer whose lowest two bits are the quadrant."""

    r: Pair
    quadrant: Lanes


def _reduced(size: Lanes) -> Angle:
    shift = magic(size)
    shifted = fma(size, TWO_OVER_PI, shift)
    n = shifted - shift
    if size.target.fma:
        first, second, third = FUSED_PARTS[size.element]
        product = two_product(n, size.constant(second))
        total = two_sum(fma(n, -first, size), -product.high)
        low = fma(n, -third, total.low - product.low)
        return Angle(Pair(total.high, low), shifted.bits())
    first, second, third, fourth = PARTS[size.element]
    total = two_sum(size - n * first, n * -second)
    more = two_sum(total.high, n * -third)
    low = (total.low + more.low) - n * fourth
    return Angle(Pair(more.high, low), shifted.bits())


def _sin_parts(r: Pair) -> Pair:
    """The sine as a leading term and a small one."""
    square = r.high * r.high
    return Pair(r.high, fma(square * r.high, polynomial(square, "sin"), r.low))


def _cos_parts(r: Pair) -> Pair:
    square = r.high * r.high
    half = square * 0.5
    head = 1.0 - half
    tail = (1.0 - head) - half
    return Pair(head, tail + fma(square * square, polynomial(square, "cos"), -(r.high * r.low)))


def _sin(r: Pair) -> Lanes:
    high, low = _sin_parts(r)
    return high + low


def _cos(r: Pair) -> Lanes:
    high, low = _cos_parts(r)
    return high + low


def _odd(quadrant: Lanes) -> Lanes:
    return (quadrant & 1).differs(0)


def _top(quadrant: Lanes, bit: int) -> Lanes:
    """Bit 1 or 0 of the quadrant at the place of the sign, other bits not yet cleared."""
    return quadrant << (quadrant.type.bits - 1 - bit)


def _flipped(value: Lanes, sign: Lanes) -> Lanes:
    return (value.bits() ^ (sign & (-1 << (value.type.bits - 1)))).real()


def _sin_at(angle: Angle, x: Lanes) -> Lanes:
    value = _odd(angle.quadrant).choose(_cos(angle.r), _sin(angle.r))
    return _flipped(value, _top(angle.quadrant, 1) ^ x.bits())


def _cos_at(angle: Angle, x: Lanes) -> Lanes:
    value = _odd(angle.quadrant).choose(_sin(angle.r), _cos(angle.r))
    return _flipped(value, _top(angle.quadrant + 1, 1))


def _tan_at(angle: Angle, x: Lanes) -> Lanes:
    """The quotient of two pairs: sine and cosine rounded first would cost two more roundings."""
    s, c = fast_two_sum(*_sin_parts(angle.r)), fast_two_sum(*_cos_parts(angle.r))
    odd = _odd(angle.quadrant)
    top, bottom = odd.choose(c.high, s.high), odd.choose(s.high, c.high)
    top_low, bottom_low = odd.choose(c.low, s.low), odd.choose(s.low, c.low)
    quotient = top / bottom
    product = two_product(quotient, bottom)
    residual = ((top - product.high) - product.low) + (top_low - quotient * bottom_low)
    return _flipped(quotient + residual / bottom, _top(angle.quadrant, 0) ^ x.bits())


def _function(at: Callable[[Angle, Lanes], Lanes], x: Lanes) -> Lanes:
    def exact(lane: Lanes) -> Lanes:
        wide = lane.convert("fpext", "double")
        result = at(Angle(*reduce_huge(abs(wide))), wide)
        return result.convert("fptrunc", lane.element)

    return repaired(x, at(_reduced(abs(x)), x), LIMIT[x.element], exact)


def sin(x: Lanes) -> Lanes:
    """The sine; NaN for infinities."""
    return _function(_sin_at, x)


def cos(x: Lanes) -> Lanes:
    """The cosine; NaN for infinities."""
    return _function(_cos_at, x)


def tan(x: Lanes) -> Lanes:
    """The tangent, sin/cos; NaN for infinities."""
    return _function(_tan_at, x)
