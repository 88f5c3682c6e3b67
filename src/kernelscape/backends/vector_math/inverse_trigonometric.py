"""Inverse circular functions.

arctan is one polynomial on [0, 1], above through 1/x: a second reduction would round twice more. Above 1/2, arcsin and
arccos go through sqrt((1 - |x|)/2), whose rounding error is carried along (as in Sun's fdlibm). Constants are pairs.
"""

from __future__ import annotations

import math

from kernelscape.backends.vector_math.lanes import Lanes, fma, polynomial, upper_half

PI = {"float": (3.1415927410125732, -8.742277657347586e-08), "double": (3.141592653589793, 1.2246467991473532e-16)}
"""π in two parts."""


def _arctan_of_unit(t: Lanes) -> Lanes:
    square = t * t
    return fma(square * t, polynomial(square, "atan"), t)


def _minus_from(a: Lanes, parts: float) -> Lanes:
    """parts·π - a, where parts is a power of two."""
    high, low = PI[a.element]
    return parts * high - (a - parts * low)


def arctan(x: Lanes) -> Lanes:
    """The angle in [-π/2, π/2]."""
    size = abs(x)
    steep = size > 1.0
    angle = _arctan_of_unit(steep.choose(1.0 / size, size))
    return steep.choose(_minus_from(angle, 0.5), angle).with_sign_of(x)


def arctan2(y: Lanes, x: Lanes) -> Lanes:
    """The angle of the point (x, y) in [-π, π]; signs of zero choose the side as in C."""
    rise, run = abs(y), abs(x)
    steep = rise > run
    least, most = steep.choose(run, rise), steep.choose(rise, run)
    t = least / most
    t = most.equals(0.0).choose(most, t)  # the origin: angle 0
    t = least.equals(math.inf).choose(least.constant(1.0), t)
    angle = _arctan_of_unit(t)
    # One sum, as two would round twice: points above and below the origin then miss 90 degrees.
    left = x.bits() < 0
    angle = steep.choose(left.choose(-angle, angle), angle)
    angle = steep.choose(_minus_from(angle, 0.5), left.choose(_minus_from(angle, 1.0), angle))
    return (x.is_nan() | y.is_nan()).choose(x + y, angle.with_sign_of(y))


def _reduced(size: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Whether size > 1/2, sqrt((1 - size)/2) in two parts, and P of its square there, of size**2 elsewhere."""
    upper = size > 0.5
    z = fma(size, -0.5, 0.5)
    root = z.sqrt()
    high = upper_half(root)
    # The constant keeps 0/0 away; it is far below the last place of any other root.
    low = fma(-high, high, z) / (root + high + 2.0**-100)
    square = upper.choose(z, size * size)
    return upper, high, low, square * polynomial(square, "asin")


def arcsin(x: Lanes) -> Lanes:
    """The angle in [-π/2, π/2]; NaN outside [-1, 1]."""
    size = abs(x)
    upper, high, low, p = _reduced(size)
    small = fma(size, p, size)
    pi_high, pi_low = PI[x.element]
    tail = fma((high + low) * 2.0, p, low * 2.0 - 0.5 * pi_low)
    quarter = 0.25 * pi_high
    large = quarter - (tail - (quarter - high * 2.0))
    return upper.choose(large, small).with_sign_of(x)


def arccos(x: Lanes) -> Lanes:
    """The angle in [0, π]; NaN outside [-1, 1]."""
    upper, high, low, p = _reduced(abs(x))
    pi_high, pi_low = PI[x.element]
    near_zero = 0.5 * pi_high - (x - fma(-x, p, x.constant(0.5 * pi_low)))
    right = (high + fma(high + low, p, low)) * 2.0
    left = pi_high - (high * 2.0 - (pi_low - fma(high + low, p, low) * 2.0))
    return upper.choose((x < 0.0).choose(left, right), near_zero)
