"""Outputs that are not wanted, or wanted in part: what stands in the output's array stays, or is blended in.

The map `Stage.at` says which outputs are wanted. What an output keeps is read from where it is about to be written, by
the same vector, so that no other worker and no other vector can have changed it meanwhile.
"""

from __future__ import annotations

from kernelscape.backends import operators
from kernelscape.backends.emit.values import Emitter, Lane
from kernelscape.backends.ir import Bounds, Value, constant
from kernelscape.expression import DType
from kernelscape.semantics import blend_dtype


class Selected:
    """The wish for one vector of outputs: `wanted`, and for weights their `weight`."""

    def __init__(self, emitter: Emitter, number: int, lane: Lane) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        self.dtype = emitter.stage.inputs[number].dtype
        here = (0,) * len(emitter.stage.roles)
        found = emitter.sample(number, here, lane, 0).value
        self.weight = None if self.dtype.kind == "b" else found
        self.wanted = found if self.weight is None else self._compared("une", 0)

    def _compared(self, predicate: str, number: int) -> Value:
        assert self.weight is not None
        return self.builder.fcmp(predicate, self.weight, constant(self.weight.type, number))

    def blended(self, value: Value, dtype: DType, old: Value, output: DType) -> tuple[Value, DType]:
        """A result of `dtype` mixed with what an output holds, and the dtype in which that is made."""
        assert self.weight is not None
        builder, target, mixed = self.builder, self.emitter.target, blend_dtype(dtype, output)
        held = operators.from_memory(builder, target, old, output)
        new, before, weight = (
            operators.cast(builder, target, v, d, mixed)
            for v, d in ((value, dtype), (held, output), (self.weight, self.dtype))
        )
        rest = builder.fsub(constant(weight.type, 1.0), weight)
        return builder.fadd(builder.fmul(weight, new), builder.fmul(rest, before)), mixed

    def converted(self, value: Value, dtype: DType, mixed: tuple[Value, DType], output: DType) -> Value:
        """What is to be stored: the result itself where its weight is 1, exactly."""
        convert = operators.convert_saturating
        whole = convert(self.builder, self.emitter.target, value, dtype, output)
        part = convert(self.builder, self.emitter.target, *mixed, output)
        return self.builder.select(self._compared("oeq", 1), whole, part)

    def kept(self, stored: Value, old: Value) -> Value:
        """The stored bits where the output is wanted, elsewhere those that were there."""
        return self.builder.select(self.wanted, stored, old)


def old_bits(emitter: Emitter, dtype: DType, pointer: Value, bounds: Bounds | None) -> Value:
    """What an output holds; read anew each time, since it is about to be written."""
    return emitter.builder.load(operators.memory_type(dtype, emitter.stage.lanes), pointer, bounds)
