"""Keys: integers of the width of a sample whose unsigned order is the samples' order; all NaN share the largest.

Of float16, which is held as float32, keys have 32 bits. -0 comes before +0.
"""

from __future__ import annotations

from kernelscape.backends import operators
from kernelscape.backends.ir import Builder, Type, Value, constant
from kernelscape.expression import DType


def key_type(dtype: DType, lanes: int) -> Type:
    """The type of keys."""
    bits = 32 if dtype.itemsize == 2 and dtype.kind == "f" else 8 * dtype.itemsize
    return Type(f"i{bits}", lanes)


def to_key(builder: Builder, value: Value, dtype: DType) -> Value:
    """The key of a sample."""
    if dtype.kind == "b":
        return builder.convert("zext", value, value.type.of("i8"))
    if dtype.kind == "f":
        return sortable(builder, value)
    if dtype.kind == "i":
        return builder.binary("xor", value, constant(value.type, 1 << (value.type.bits - 1)))
    return value


def from_key(builder: Builder, key: Value, dtype: DType) -> Value:
    """The sample of a key."""
    if dtype.kind == "b":
        return builder.icmp("ne", key, constant(key.type, 0))
    if dtype.kind == "f":
        return from_sortable(builder, key, operators.register_type(dtype, key.type.lanes))
    if dtype.kind == "i":
        return builder.binary("xor", key, constant(key.type, 1 << (key.type.bits - 1)))
    return key


def sortable(builder: Builder, value: Value) -> Value:
    """The key of a floating value."""
    bits = value.type.bits
    nan = constant(value.type, float("nan"))
    known = builder.select(builder.fcmp("uno", value, value), nan, value)
    raw = builder.convert("bitcast", known, value.type.of(f"i{bits}"))
    negative = builder.binary("ashr", raw, constant(raw.type, bits - 1))
    return builder.binary("xor", raw, builder.binary("or", negative, constant(raw.type, 1 << (bits - 1))))


def from_sortable(builder: Builder, key: Value, to: Type) -> Value:
    """The floating value of a key."""
    bits = key.type.bits
    positive = builder.binary("ashr", key, constant(key.type, bits - 1))
    negative = builder.binary("xor", positive, constant(key.type, -1))
    raw = builder.binary("xor", key, builder.binary("or", negative, constant(key.type, 1 << (bits - 1))))
    return builder.convert("bitcast", raw, to)
