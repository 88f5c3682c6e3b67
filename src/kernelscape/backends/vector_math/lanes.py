"""Vector values that read like formulas: operators on a `Value`, with its builder and target.

Rules: operands have one type; a Python number is a constant in every lane; real numbers, integers and conditions share
one class, as LLVM's values do, and the element says which operation an operator is. Only instructions come out: what
the target lacks (a fused multiply-add, rounding) is written in other operations, so that no library call can appear.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from kernelscape.backends.ir import INTEGER_OF, MANTISSA_BITS, Builder, Type, Value, constant
from kernelscape.backends.vector_math.coefficients import POLYNOMIALS
from kernelscape.machine import Target


class Lanes:
    """A value with its operators. ``>>`` keeps the sign, :meth:`shift_right` fills with zeros."""

    __slots__ = ("builder", "target", "value")

    def __init__(self, builder: Builder, target: Target, value: Value) -> None:
        self.builder = builder
        self.target = target
        self.value = value

    # -- facts -------------------------------------------------------------------------------------------------------

    @property
    def type(self) -> Type:
        return self.value.type

    @property
    def element(self) -> str:
        return self.value.type.element

    @property
    def mantissa_bits(self) -> int:
        return MANTISSA_BITS[self.element]

    @property
    def exponent_bias(self) -> int:
        return 127 if self.element == "float" else 1023

    def like(self, value: Value) -> Lanes:
        return Lanes(self.builder, self.target, value)

    def constant(self, number: float) -> Lanes:
        return self.like(constant(self.type, number))

    def lift(self, other: Lanes | float) -> Lanes:
        """`other`, or the constant of this type."""
        return other if isinstance(other, Lanes) else self.constant(other)

    # -- arithmetic --------------------------------------------------------------------------------------------------

    def _binary(self, real: str, integer: str, a: Lanes | float, b: Lanes | float) -> Lanes:
        opcode = real if self.type.is_float else integer
        return self.like(self.builder.binary(opcode, self.lift(a).value, self.lift(b).value))

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._binary("fadd", "add", self, other)

    def __radd__(self, other: float) -> Lanes:
        return self._binary("fadd", "add", other, self)

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._binary("fsub", "sub", self, other)

    def __rsub__(self, other: float) -> Lanes:
        return self._binary("fsub", "sub", other, self)

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._binary("fmul", "mul", self, other)

    def __rmul__(self, other: float) -> Lanes:
        return self._binary("fmul", "mul", other, self)

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self.like(self.builder.fdiv(self.value, self.lift(other).value))

    def __rtruediv__(self, other: float) -> Lanes:
        return self.like(self.builder.fdiv(self.constant(other).value, self.value))

    def __neg__(self) -> Lanes:
        return self.like(self.builder.fneg(self.value))

    def __abs__(self) -> Lanes:
        return self.like(self.builder.intrinsic("fabs", self.type, self.value))

    def sqrt(self) -> Lanes:
        return self.like(self.builder.intrinsic("sqrt", self.type, self.value))

    def scaled_by_instruction(self, n: Lanes) -> Lanes | None:
        """self·2^n for integers n, where the target has an instruction for vectors of just this width."""
        bits = self.type.lanes * self.type.bits
        if not self.target.scaling or bits != 8 * self.target.vector_bytes:
            return None
        builder, text = self.builder, self.type.text
        name = f"llvm.x86.avx512.mask.scalef.{_SCALE_SUFFIX[self.element]}.{bits}"
        mask = f"i{self.type.lanes}"
        builder.module.declare(name, text, [text, text, text, mask, "i32"])

        def call() -> Value:
            result = builder.fresh(self.type)
            operands = f"{text} {self.value.name}, {text} {n.value.name}, {text} {self.value.name}, {mask} -1, i32 4"
            builder.line(f"{result.name} = call {text} @{name}({operands})")
            return result

        return self.like(builder.remember((name, self.value, n.value), call))

    def with_sign_of(self, other: Lanes) -> Lanes:
        return self.like(self.builder.intrinsic("copysign", self.type, self.value, other.value))

    # -- bits --------------------------------------------------------------------------------------------------------

    def __and__(self, other: Lanes | int) -> Lanes:
        return self.like(self.builder.binary("and", self.value, self.lift(other).value))

    def __or__(self, other: Lanes | int) -> Lanes:
        return self.like(self.builder.binary("or", self.value, self.lift(other).value))

    def __xor__(self, other: Lanes | int) -> Lanes:
        return self.like(self.builder.binary("xor", self.value, self.lift(other).value))

    def __invert__(self) -> Lanes:
        return self ^ -1

    def __lshift__(self, count: int) -> Lanes:
        return self.like(self.builder.binary("shl", self.value, self.constant(count).value))

    def __rshift__(self, count: int) -> Lanes:
        return self.like(self.builder.binary("ashr", self.value, self.constant(count).value))

    def shift_right(self, count: int) -> Lanes:
        return self.like(self.builder.binary("lshr", self.value, self.constant(count).value))

    def bits(self) -> Lanes:
        """The bits of a real number as an integer of the same width."""
        return self.like(self.builder.bitcast(self.value, INTEGER_OF[self.element]))

    def real(self) -> Lanes:
        """The real number whose bits these are."""
        return self.like(self.builder.bitcast(self.value, "float" if self.element == "i32" else "double"))

    def convert(self, opcode: str, element: str) -> Lanes:
        return self.like(self.builder.convert(opcode, self.value, self.type.of(element)))

    # -- conditions --------------------------------------------------------------------------------------------------

    def _compare(self, real: str, integer: str, other: Lanes | float) -> Lanes:
        b = self.lift(other).value
        if self.type.is_float:
            return self.like(self.builder.fcmp(real, self.value, b))
        return self.like(self.builder.icmp(integer, self.value, b))

    def __lt__(self, other: Lanes | float) -> Lanes:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Lanes | float) -> Lanes:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Lanes | float) -> Lanes:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Lanes | float) -> Lanes:
        return self._compare("oge", "sge", other)

    def equals(self, other: Lanes | float) -> Lanes:
        return self._compare("oeq", "eq", other)

    def differs(self, other: Lanes | float) -> Lanes:
        """Is true for NaN."""
        return self._compare("une", "ne", other)

    def is_nan(self) -> Lanes:
        return self.like(self.builder.fcmp("uno", self.value, self.value))

    def choose(self, yes: Lanes | float, no: Lanes | float) -> Lanes:
        """``yes if self else no`` in each lane; one of the two is not a Python number."""
        if isinstance(yes, Lanes):
            return self.like(self.builder.select(self.value, yes.value, yes.lift(no).value))
        if isinstance(no, Lanes):
            return self.like(self.builder.select(self.value, no.lift(yes).value, no.value))
        raise TypeError(f"expected a value in one branch at least, got {yes!r} and {no!r}")

    def any(self) -> Value:
        """A scalar condition: true in one lane at least."""
        if self.type.lanes == 1:
            return self.value
        whole = Type(f"i{self.type.lanes}")
        together = self.builder.convert("bitcast", self.value, whole)
        return self.builder.icmp("ne", together, Value("0", whole))


_SCALE_SUFFIX = {"float": "ps", "double": "pd"}


def fma(a: Lanes, b: Lanes | float, c: Lanes | float) -> Lanes:
    """``a*b + c``, rounded once where the target can."""
    b, c = a.lift(b), a.lift(c)
    if a.target.fma:
        return a.like(a.builder.intrinsic("fma", a.type, a.value, b.value, c.value))
    return a * b + c


def smaller(a: Lanes, b: Lanes | float) -> Lanes:
    """``b if b < a else a``: keeps a NaN in `a`."""
    b = a.lift(b)
    return (b < a).choose(b, a)


def larger(a: Lanes, b: Lanes | float) -> Lanes:
    """``b if b > a else a``: keeps a NaN in `a`."""
    b = a.lift(b)
    return (b > a).choose(b, a)


def polynomial(x: Lanes, name: str) -> Lanes:
    """The polynomial `name` of the table for this element, by Horner's rule."""
    coefficients = POLYNOMIALS[name, x.element].coefficients
    result = x.constant(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result = fma(result, x, coefficient)
    return result


def magic(x: Lanes) -> float:
    """1.5·2^mantissa: adding it rounds to an integer (half to even) that then stands in the lowest bits."""
    return 1.5 * 2.0**x.mantissa_bits


def bits_of(element: str, number: float) -> int:
    """The bits of a constant."""
    code = ("<f", "<i") if element == "float" else ("<d", "<q")
    result: int = struct.unpack(code[1], struct.pack(code[0], number))[0]
    return result


class Pair(NamedTuple):
    """An unevaluated sum of two numbers, the second below half a unit in the last place of the first."""

    high: Lanes
    low: Lanes


def fast_two_sum(a: Lanes, b: Lanes | float) -> Pair:
    """a + b exactly, where the exponent of `a` is not below that of `b` (Dekker, Numer. Math. 18, 1971)."""
    total = a + b
    return Pair(total, b - (total - a))


def two_sum(a: Lanes, b: Lanes | float) -> Pair:
    """a + b exactly (Knuth, TAOCP 2, 4.2.2)."""
    b = a.lift(b)
    total = a + b
    other = total - a
    return Pair(total, (a - (total - other)) + (b - other))


def upper_half(a: Lanes) -> Lanes:
    """The upper half of the digits, so that a product of two halves is exact."""
    return (a.bits() & (-1 << (12 if a.element == "float" else 27))).real()


def two_product(a: Lanes, b: Lanes) -> Pair:
    """a * b exactly (to one unit of the last place of the low part without FMA)."""
    product = a * b
    if a.target.fma:
        return Pair(product, fma(a, b, -product))
    a_high, b_high = upper_half(a), upper_half(b)
    a_low, b_low = a - a_high, b - b_high
    low = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return Pair(product, low)
