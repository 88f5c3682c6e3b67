"""Asking for the rows of the next tile while this one is computed, where rows have to be copied under a stride.

Without it memory would rest while the kernel computes, and the kernel while rows are copied. The rows of a tile that
the next one does not have yet are as many as its last ones. Loops over source rows ask for them one after the other, so
that they come while there is work to do; other code does so at the end of each turn along x.
"""

from __future__ import annotations

from kernelscape import expression as ex
from kernelscape.backends.emit.values import Emitter, Index, Position
from kernelscape.backends.ir import I64, constant
from kernelscape.loops import RowInput, X

LINE = 64
"""Bytes that come from memory together."""


def ask_at_row(emitter: Emitter, shape: ex.Shape, tap: Index, t: int) -> None:
    """At the source row of a tap of output row `t`, in a window of this shape: for what the next tile has there."""
    first = tuple(0 if role == X else place for role, place in zip(emitter.stage.roles, tap, strict=True))
    for number, spec in enumerate(emitter.stage.inputs):
        if spec.ahead_bytes and spec.shape == shape:
            _ask(emitter, spec, emitter.place(number, first, t)[0])
            emitter.has_asked_ahead = True


def ask_at_end(emitter: Emitter) -> None:
    """For all rows that the next tile does not have yet, where no loop has asked for them."""
    stage = emitter.stage
    for number, spec in enumerate(stage.inputs):
        if not spec.ahead_bytes or emitter.has_asked_ahead:
            continue
        offsets = stage.y_offsets[number]
        new = [offset for offset in offsets if offset + stage.rows * spec.y_step > offsets[-1]]
        for combination in range(len(spec.outer)):
            for offset in new:
                _ask(emitter, spec, stage.row_number(number, combination, offset, 0))


def _ask(emitter: Emitter, spec: RowInput, entry: Position) -> None:
    """For the part of a row that belongs to this turn along x."""
    builder, stage = emitter.builder, emitter.stage
    start = emitter.table_pointer(emitter.frame.rows, emitter.affine(entry, 1, stage.row_base[-1]))
    there = builder.offset(start, builder.mul(emitter.frame.x, constant(I64, spec.ahead_bytes)))
    for place in range(0, stage.chunk * spec.ahead_bytes, LINE):
        builder.prefetch(builder.offset(there, place))
