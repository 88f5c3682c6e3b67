"""Huge arguments of sin, cos and tan: reduction modulo π/2 in integers, exact for every double.

The bits of 2/π stand in a table. x is an integer M of 53 bits times 2^e, so M times the 192 bits of 2/π from weight
2^(2-e) on gives x·2/π modulo 4 with more than 130 bits after the point (Payne & Hanek, SIGNUM Newsletter 18, 1983);
no double comes closer to a multiple of π/2 than 2^-61 of it, which leaves the full 53 bits and a tail. Written for one
lane: it runs in a branch that hardly ever is taken, and its code should be small.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from kernelscape.backends.ir import ELEMENT_BYTES, I1, I64, Type, Value, constant
from kernelscape.backends.vector_math.lanes import Lanes, Pair, fast_two_sum, fma, two_product

_WORDS = 20
_I128 = Type("i128")
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17)


@lru_cache(maxsize=1)
def two_over_pi() -> tuple[int, ...]:
    """One word of zeros, then 2/π in words of 64 bits; π from Machin's formula in integers."""
    bits = 64 * (_WORDS - 1)
    one = 1 << (bits + 64)

    def arctan_of_inverse(n: int) -> int:
        total, power, divisor, sign = 0, one // n, 1, 1
        while power:
            total += sign * (power // divisor)
            power, divisor, sign = power // (n * n), divisor + 2, -sign
        return total

    pi = 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))
    value = (2 << bits) * one // pi
    return (0, *((value >> (bits - 64 * (i + 1))) & ((1 << 64) - 1) for i in range(_WORDS - 1)))


def _product(size: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """size·2/π modulo 4 as 192 bits, highest word first; two bits stand before the point."""
    b = size.builder
    bits = size.bits()
    mantissa = (bits & ((1 << 52) - 1)) | (1 << 52)
    position = bits.shift_right(52) - (1075 - 62)  # exponent e = field - 1075, weight 2^(2-e), 64 bits of zeros
    pointer = b.offset(b.module.constant_table("two_over_pi", I64, two_over_pi()), (position.shift_right(6) << 3).value)
    words = [b.load_constant(I64, b.offset(pointer, 8 * i)) for i in range(4)]
    shift = (position & 63).value
    high, middle, low = (b.intrinsic("fshl", I64, words[i], words[i + 1], shift) for i in range(3))

    def wide(v: Value) -> Value:
        return b.convert("zext", v, _I128)

    def upper(v: Value) -> Value:
        return b.binary("lshr", v, Value("64", _I128))

    factor = wide(mantissa.value)
    product_low = b.binary("mul", factor, wide(low))
    product_middle = b.binary("add", b.binary("mul", factor, wide(middle)), upper(product_low))
    carry = size.like(b.convert("trunc", upper(product_middle), I64))
    top = mantissa * size.like(high) + carry
    middle_word = size.like(b.convert("trunc", product_middle, I64))
    return top, middle_word, size.like(b.convert("trunc", product_low, I64))


def reduce_huge(size: Lanes) -> tuple[Pair, Lanes]:
    """r in two parts and the quadrant (i64) of one finite double of at least 2^9, which is not negative."""
    b = size.builder

    def funnel(high: Lanes, low: Lanes, count: Lanes) -> Lanes:
        return size.like(b.intrinsic("fshl", I64, high.value, low.value, count.value))

    top, middle, low = _product(size)
    two = top.constant(2)
    fraction, below = funnel(top, middle, two), funnel(middle, low, two)
    quadrant = top.shift_right(62) + fraction.shift_right(63)
    sign = fraction >> 63
    fraction, below = fraction ^ sign, below ^ sign
    zeros = b.intrinsic("ctlz", I64, (fraction | 1).value, constant(I1, 0))
    count = size.like(zeros)
    fraction = funnel(fraction, below, count)
    below = size.like(b.binary("shl", below.value, zeros))
    tail = ((fraction & 0x7FF) << 42) | below.shift_right(22)
    scale = ((1023 - 53 - count) << 52).real()
    high_part = fraction.shift_right(11).convert("sitofp", "double") * scale
    low_part = tail.convert("sitofp", "double") * (scale * 2.0**-53)
    product = two_product(high_part, size.constant(_HALF_PI[0]))
    rest = fma(high_part, _HALF_PI[1], fma(low_part, _HALF_PI[0], product.low))
    r = fast_two_sum(product.high, rest)
    flip = sign & (-1 << 63)
    return Pair((r.high.bits() ^ flip).real(), (r.low.bits() ^ flip).real()), quadrant


def repaired(x: Lanes, result: Lanes, limit: float, exact: Callable[[Lanes], Lanes]) -> Lanes:
    """`result`, with the lanes of finite |x| > limit replaced by `exact` of that lane, computed one by one."""
    b, lanes, single = x.builder, x.type.lanes, Type(x.element)
    output = b.local(result.type)
    b.store(result.value, output)

    def lane(index: Value, inputs: Value) -> None:
        offset = b.mul(index, constant(I64, ELEMENT_BYTES[x.element]))
        one = x.like(b.load(single, b.offset(inputs, offset)))
        wanted = (abs(one) > limit) & (abs(one) < float("inf"))
        b.when(wanted.value, lambda: b.store(exact(one).value, b.offset(output, offset)))

    def every_lane() -> None:
        inputs = b.local(x.type)
        b.store(x.value, inputs)

        def body(index: Value, carried: list[Value]) -> list[Value]:
            lane(index, inputs)
            return carried

        b.loop(constant(I64, 0), constant(I64, lanes), 1, [], body, never_empty=True)

    b.when((abs(x) > limit).any(), every_lane)
    return x.like(b.load(result.type, output))
