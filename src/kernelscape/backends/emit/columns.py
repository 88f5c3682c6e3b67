"""Values of columns: rows of the worker's own, which a pass before this one filled, and how windows read them."""

from __future__ import annotations

from kernelscape import expression as ex
from kernelscape.backends import operators
from kernelscape.backends.emit.values import Element, Emitter, Index, Lane, Load, Position, as_value
from kernelscape.backends.ir import Type, Value
from kernelscape.semantics import register_dtype


class Columns:
    """The rule of Column, for one emitter."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter, self.builder = emitter, emitter.builder
        emitter.add_rules({ex.Column: self._column})

    def _column(self, node: ex.Column, index: Index, lane: Lane) -> Element:
        emitter, stage = self.emitter, self.emitter.stage
        tap, place = index[0], emitter.flat(node.shape[1:], index[1:])
        row = emitter.affine(place, 1, stage.column_rows[node.number])
        held = register_dtype(node.dtype)
        type_ = operators.memory_type(held, stage.lanes)
        offset = emitter.lookup(stage.column_taps, tap)
        if isinstance(offset, int) and self._is_rotated(type_, node.shape[0]):
            raw = self._rotated(row, lane, type_, offset)
        else:
            raw = self._loaded(row, lane, type_, offset)
        value = operators.from_memory(self.builder, emitter.target, raw, held)
        if isinstance(row, int) and isinstance(offset, int):
            emitter.loads[value.name] = Load(("column", row, lane[0]), offset + lane[1] * stage.lanes)
        return Element(value, None)

    def _loaded(self, row: Position, lane: Lane, type_: Type, offset: Position) -> Value:
        pointer = column_pointer(self.emitter, row, lane[0], type_.element, offset, lane[1])
        return self.builder.load_constant(type_, pointer)

    def _is_rotated(self, type_: Type, taps: int) -> bool:
        """Whether what lies between two whole vectors of a column row is put together of them.

        A register of 64 bytes that is read where no line of the cache begins takes two reads. To put it together is one
        instruction, for elements of 32 and 64 bits.
        """
        whole = type_.lanes * type_.bits == 8 * self.emitter.target.vector_bytes == 512
        return whole and type_.bits >= 32 and taps > 2

    def _rotated(self, row: Position, lane: Lane, type_: Type, offset: int) -> Value:
        builder, (whole, behind) = self.builder, divmod(offset, type_.lanes)
        # Of integers, since vectors of floats are permuted by an instruction that needs a register of indices.
        bits = type_.of(f"i{type_.bits}")
        found = self._loaded(row, (lane[0], lane[1] + whole), bits, 0)
        if behind:
            second = self._loaded(row, (lane[0], lane[1] + whole + 1), bits, 0)
            found = builder.shuffle(found, second, tuple(range(behind, behind + type_.lanes)))
        return found if type_ == bits else builder.convert("bitcast", found, type_)


def column_pointer(
    emitter: Emitter, row: Position, t: int, element: str, offset: Position = 0, vector: int = 0
) -> Value:
    """Where a value of a column row lies, for output row `t`."""
    builder, frame = emitter.builder, emitter.frame
    number = as_value(emitter.affine(row, emitter.stage.rows, t))

    def base() -> Value:
        return builder.offset(frame.columns, builder.mul(frame.column_bytes, number))

    return emitter.moved(builder.hoisted(base) if isinstance(row, int) else base(), element, offset, vector)
