"""Conversions between dtypes: memory to registers and back, casts (``astype``), the saturating conversion of a store.

Rules: LLVM's ``fptosi`` and ``fptoui`` see only values inside the integer's range; what lies outside is the constant
that ``semantics.convert`` states. Clamps are written as compare and select in the operand order that x86 has as one
instruction (``maxps(x, low)`` gives ``low`` for a NaN x). Conversions of float16 are library calls where the processor
has none, so they are then written in integer arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernelscape.backends.ir import Builder, Type, Value, constant
from kernelscape.backends.operators.masks import both, either, exclusive
from kernelscape.backends.vector_math.rounding import round_even
from kernelscape.machine import Target

Dtype = np.dtype[Any]

REGISTER_ELEMENT = {
    "bool": "i1",
    "float16": "float",
    "float32": "float",
    "float64": "double",
    **{f"{kind}int{bits}": f"i{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64)},
}
MEMORY_ELEMENT = {**REGISTER_ELEMENT, "bool": "i8", "float16": "i16"}


def register_type(dtype: Dtype, lanes: int) -> Type:
    """The type in which a value is held between operations: i1 for bool, float for float16."""
    return Type(REGISTER_ELEMENT[dtype.name], lanes)


def memory_type(dtype: Dtype, lanes: int) -> Type:
    """The type in which a value lies in memory: i8 for bool, i16 for float16."""
    return Type(MEMORY_ELEMENT[dtype.name], lanes)


def from_memory(builder: Builder, target: Target, raw: Value, dtype: Dtype) -> Value:
    """The register value of what was loaded; the byte order is already ours."""
    if dtype.kind == "b":
        return builder.icmp("ne", raw, constant(raw.type, 0))
    if dtype == np.float16:
        return half_to_float(builder, target, raw)
    return raw


def to_memory(builder: Builder, target: Target, value: Value, dtype: Dtype) -> Value:
    """What to store for a register value; float16 is rounded to nearest even here."""
    if dtype.kind == "b":
        return builder.convert("zext", value, value.type.of("i8"))
    if dtype == np.float16:
        return float_to_half(builder, target, value)
    return value


# -- float16 -----------------------------------------------------------------------------------------------------------


def half_to_float(builder: Builder, target: Target, raw: Value) -> Value:
    """The float of the same value as float16 bits (i16)."""
    result = raw.type.of("float")
    if target.half:
        return builder.convert("fpext", builder.bitcast(raw, "half"), result)
    wide = raw.type.of("i32")
    bits = builder.convert("zext", raw, wide)
    negative = builder.binary("shl", both(builder, bits, constant(wide, 0x8000)), constant(wide, 16))
    magnitude = builder.binary("shl", both(builder, bits, constant(wide, 0x7FFF)), constant(wide, 13))
    exponent = both(builder, magnitude, constant(wide, 0x0F800000))
    # The exponent of 15 becomes one of 127; infinity and NaN move on to the end of the range.
    moved = builder.add(magnitude, constant(wide, 112 << 23))
    endless = builder.icmp("eq", exponent, constant(wide, 0x0F800000))
    normal = builder.select(endless, builder.add(moved, constant(wide, 112 << 23)), moved)
    # A subnormal f * 2^-24 is read as 2^-14 + f * 2^-24, from which 2^-14 is taken exactly.
    lifted = builder.bitcast(builder.add(moved, constant(wide, 1 << 23)), "float")
    subnormal = builder.bitcast(builder.fsub(lifted, constant(result, 2.0**-14)), "i32")
    tiny = builder.icmp("eq", exponent, constant(wide, 0))
    return builder.bitcast(either(builder, builder.select(tiny, subnormal, normal), negative), "float")


def float_to_half(builder: Builder, target: Target, value: Value) -> Value:
    """The bits (i16) of the float16 that is nearest to a float, ties to even."""
    if target.half:
        return builder.bitcast(builder.convert("fptrunc", value, value.type.of("half")), "i16")
    wide = value.type.of("i32")
    bits = builder.bitcast(value, "i32")
    negative = both(builder, bits, constant(wide, 1 << 31))
    magnitude = exclusive(builder, bits, negative)
    odd = both(builder, builder.binary("lshr", magnitude, constant(wide, 13)), constant(wide, 1))
    # Adding just below half of the last place, and that place's own bit, rounds half to even; a carry
    # moves the exponent.
    rounded = builder.add(builder.add(magnitude, constant(wide, 0xFFF - (112 << 23))), odd)
    normal = builder.binary("lshr", rounded, constant(wide, 13))
    # Next to 0.5 a float's last place is 2^-24, the unit of subnormal float16, so that the addition does the rounding.
    half = constant(value.type, 0.5)
    lifted = builder.bitcast(builder.fadd(builder.bitcast(magnitude, "float"), half), "i32")
    subnormal = builder.sub(lifted, builder.bitcast(half, "i32"))
    tiny = builder.icmp("ult", magnitude, constant(wide, 113 << 23))
    result = builder.select(tiny, subnormal, normal)
    result = builder.select(builder.icmp("uge", magnitude, constant(wide, 143 << 23)), constant(wide, 0x7C00), result)
    result = builder.select(builder.icmp("ugt", magnitude, constant(wide, 255 << 23)), constant(wide, 0x7E00), result)
    sign = builder.binary("lshr", negative, constant(wide, 16))
    return builder.convert("trunc", either(builder, result, sign), value.type.of("i16"))


def _rounded_to_half(builder: Builder, target: Target, value: Value) -> Value:
    """A float or double rounded once to float16's precision, as a float."""
    if value.type.element == "double":
        value = _odd_float(builder, value)
    return half_to_float(builder, target, float_to_half(builder, target, value))


def _odd_float(builder: Builder, value: Value) -> Value:
    """A float between a double and its last place, with the lost bits left as a trace in the last one.

    Rounding this result again to float16 is right, because its trace still tells halves from what is next to them
    (rounding to odd; S. Boldo and G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
    rounding to odd", IEEE Transactions on Computers 57, 2008).
    """
    wide = value.type.of("i64")
    bits = builder.bitcast(value, "i64")
    lost = both(builder, bits, constant(wide, (1 << 29) - 1))
    trace = builder.convert("zext", builder.icmp("ne", lost, constant(wide, 0)), wide)
    kept = exclusive(builder, bits, lost)
    odd = either(builder, kept, builder.binary("shl", trace, constant(wide, 29)))
    return builder.convert("fptrunc", builder.bitcast(odd, "double"), value.type.of("float"))


# -- casts -------------------------------------------------------------------------------------------------------------


def cast(builder: Builder, target: Target, value: Value, source_dtype: Dtype, result_dtype: Dtype) -> Value:
    """``astype`` of a register value, as ``semantics.convert`` defines it."""
    result = register_type(result_dtype, value.type.lanes)
    if result_dtype.kind == "b":
        return _truth(builder, value)
    if result_dtype.kind == "f":
        return _to_floating(builder, target, value, source_dtype, result_dtype)
    if source_dtype.kind == "f":
        return _truncated(builder, value, source_dtype, result_dtype)
    if value.type.bits >= result.bits:
        return builder.convert("trunc", value, result)
    return builder.convert("sext" if source_dtype.kind == "i" else "zext", value, result)


def _truth(builder: Builder, value: Value) -> Value:
    if value.type.element == "i1":
        return value
    zero = constant(value.type, 0)
    return builder.fcmp("une", value, zero) if value.type.is_float else builder.icmp("ne", value, zero)


def _to_floating(builder: Builder, target: Target, value: Value, source: Dtype, result: Dtype) -> Value:
    wanted = register_type(result, value.type.lanes)
    if source.kind != "f":
        value = builder.convert("sitofp" if source.kind == "i" else "uitofp", value, wanted)
    if result == np.float16:
        return _rounded_to_half(builder, target, value)
    if value.type.bits > wanted.bits:
        return builder.convert("fptrunc", value, wanted)
    return builder.convert("fpext", value, wanted)


def _truncated(builder: Builder, value: Value, source: Dtype, result: Dtype) -> Value:
    wanted = register_type(result, value.type.lanes)
    bits = max(wanted.bits, 32)
    if result.kind == "i" or wanted.bits < 32:
        return builder.convert("trunc", _to_signed(builder, value, bits), wanted)
    wrapped = _to_unsigned(builder, value, bits)
    if source == np.float16 and bits == 32:
        inside = builder.fcmp("oge", value, constant(value.type, -(2.0**31)))
        return builder.select(inside, wrapped, constant(wanted, 0))
    return wrapped


def _to_signed(builder: Builder, value: Value, bits: int) -> Value:
    """A signed integer without the fraction; the lowest one for everything outside, NaN included."""
    lowest, end = constant(value.type, -(2.0 ** (bits - 1))), constant(value.type, 2.0 ** (bits - 1))
    raised = builder.select(builder.fcmp("ogt", value, lowest), value, lowest)
    inside = builder.select(builder.fcmp("olt", raised, end), raised, lowest)
    return builder.convert("fptosi", inside, value.type.of(f"i{bits}"))


def _to_unsigned(builder: Builder, value: Value, bits: int) -> Value:
    """An unsigned integer without the fraction, wrapped for small negative numbers."""
    half = constant(value.type, 2.0 ** (bits - 1))
    low = _to_signed(builder, value, bits)
    high = _to_signed(builder, builder.fsub(value, half), bits)
    high = exclusive(builder, high, constant(high.type, 1 << (bits - 1)))
    return builder.select(builder.fcmp("oge", value, half), high, low)


# -- stores ------------------------------------------------------------------------------------------------------------


def convert_saturating(
    builder: Builder, target: Target, value: Value, source_dtype: Dtype, result_dtype: Dtype
) -> Value:
    """The conversion at a store, as ``semantics.saturate`` defines it: rounds half to even, clamps, NaN is 0."""
    if result_dtype.kind not in "iu" or source_dtype.kind == "b":
        return cast(builder, target, value, source_dtype, result_dtype)
    if source_dtype.kind in "iu":
        clamped = _clamped_integer(builder, value, source_dtype, result_dtype)
        return cast(builder, target, clamped, source_dtype, result_dtype)
    limits = np.iinfo(result_dtype)
    whole = builder.select(builder.fcmp("ord", value, value), value, constant(value.type, 0.0))
    if result_dtype.kind == "u":  # one instruction clamps below and removes NaN
        zero = constant(value.type, 0.0)
        whole = builder.select(builder.fcmp("ogt", value, zero), value, zero)
    if limits.bits < 32 or (limits.bits == 32 and value.type.element == "double"):
        return _clamped_then_rounded(builder, target, whole, result_dtype)
    whole = round_even(builder, target, whole)
    wanted = value.type.of(f"i{limits.bits}")
    if result_dtype.kind == "i":
        result = _to_signed(builder, whole, limits.bits)
        end = 2.0 ** (limits.bits - 1)
    else:
        result = _to_unsigned(builder, whole, limits.bits)
        end = 2.0**limits.bits
    beyond = builder.fcmp("oge", whole, constant(value.type, end))
    return builder.select(beyond, constant(wanted, int(limits.max)), result)


def _clamped_then_rounded(builder: Builder, target: Target, value: Value, result: Dtype) -> Value:
    """Where both limits are floating numbers, clamping may come first."""
    limits = np.iinfo(result)
    low, high = constant(value.type, float(limits.min)), constant(value.type, float(limits.max))
    if result.kind == "i":
        value = builder.select(builder.fcmp("ogt", value, low), value, low)
    value = builder.select(builder.fcmp("olt", value, high), value, high)
    whole = round_even(builder, target, value)
    opcode = "fptoui" if limits.bits == 32 and result.kind == "u" else "fptosi"
    return builder.convert(
        "trunc", builder.convert(opcode, whole, value.type.of("i32")), value.type.of(f"i{limits.bits}")
    )


def _clamped_integer(builder: Builder, value: Value, source: Dtype, result: Dtype) -> Value:
    own, wanted = np.iinfo(source), np.iinfo(result)
    prefix = "s" if source.kind == "i" else "u"
    if wanted.min > own.min:
        value = builder.intrinsic(f"{prefix}max", value.type, value, constant(value.type, int(wanted.min)))
    if wanted.max < own.max:
        value = builder.intrinsic(f"{prefix}min", value.type, value, constant(value.type, int(wanted.max)))
    return value
