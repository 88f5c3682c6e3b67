"""Rounding to integers: one instruction where the target has it, additions of a large number elsewhere.

Both ways keep NaN, infinities, numbers that are integers already, and the sign of zero (``floor(-0.0)`` is ``-0.0``,
``ceil(-0.5)`` too). The addition relies on the default rounding direction, in which all kernels run.
"""

from __future__ import annotations

from kernelscape.backends.ir import Builder, Value
from kernelscape.backends.vector_math.lanes import Lanes, fma
from kernelscape.machine import Target


def fused(builder: Builder, target: Target, a: Value, b: Value, c: Value) -> Value:
    """``a*b + c``, rounded once where the target has the instruction, twice elsewhere."""
    return fma(*(Lanes(builder, target, v) for v in (a, b, c))).value


def floor(builder: Builder, target: Target, a: Value) -> Value:
    """The largest integer that is not above `a`."""
    return floor_of(Lanes(builder, target, a)).value


def ceil(builder: Builder, target: Target, a: Value) -> Value:
    """The smallest integer that is not below `a`."""
    return ceil_of(Lanes(builder, target, a)).value


def trunc(builder: Builder, target: Target, a: Value) -> Value:
    """The integer part, towards zero."""
    return trunc_of(Lanes(builder, target, a)).value


def round_even(builder: Builder, target: Target, a: Value) -> Value:
    """The nearest integer, the even one of two."""
    x = Lanes(builder, target, a)
    if target.rounding:
        return builder.intrinsic("roundeven", a.type, a)
    return _finish(x, _nearest(x)).value


def floor_of(x: Lanes) -> Lanes:
    """The largest integer that is not above x."""
    if x.target.rounding:
        return x.like(x.builder.intrinsic("floor", x.type, x.value))
    nearest = _nearest(x).with_sign_of(x)
    return _finish(x, nearest - (nearest > x).choose(x.constant(1.0), 0.0))


def ceil_of(x: Lanes) -> Lanes:
    """The smallest integer that is not below x."""
    if x.target.rounding:
        return x.like(x.builder.intrinsic("ceil", x.type, x.value))
    nearest = _nearest(x).with_sign_of(x)
    return _finish(x, nearest + (nearest < x).choose(x.constant(1.0), 0.0))


def trunc_of(x: Lanes) -> Lanes:
    """The integer part of x."""
    if x.target.rounding:
        return x.like(x.builder.intrinsic("trunc", x.type, x.value))
    nearest = _nearest(x)
    return _finish(x, nearest - (nearest > abs(x)).choose(x.constant(1.0), 0.0))


def _nearest(x: Lanes) -> Lanes:
    """|x| rounded half to even, for |x| below 2^mantissa."""
    shift = 2.0**x.mantissa_bits
    return (abs(x) + shift) - shift


def _finish(x: Lanes, rounded: Lanes) -> Lanes:
    """`rounded` with the sign of x; x itself where it is an integer by its size, or NaN."""
    return (abs(x) < 2.0**x.mantissa_bits).choose(rounded.with_sign_of(x), x)
