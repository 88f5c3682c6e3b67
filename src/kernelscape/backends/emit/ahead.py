"""Asking for the rows of the next tile while this one is computed, where rows have to be copied under a stride.

Without it memory would rest while the kernel computes, and the kernel while rows are copied. What is asked for is
spread over the kernel's work: the rows of a tile that the next one does not have yet are as many as its last ones.
"""

from __future__ import annotations

from kernelscape import expression as ex
from kernelscape.backends.emit.values import Emitter, Index
from kernelscape.backends.ir import I64, constant
from kernelscape.loops import X

LINE = 64
"""Bytes that come from memory together."""


def ask_ahead(emitter: Emitter, shape: ex.Shape, tap: Index, t: int) -> None:
    """Asks, at a source row, for what the next tile has in its place: of inputs whose windows have this shape.

    The source row is that of a tap of output row `t`; of it the part that belongs to this turn of the loop over x.
    """
    builder, stage = emitter.builder, emitter.stage
    first = tuple(0 if role == X else place for role, place in zip(stage.roles, tap, strict=True))
    for number, spec in enumerate(stage.inputs):
        if not spec.ahead_bytes or spec.shape != shape:
            continue
        entry, _ = emitter.place(number, first, t)
        start = emitter.table_pointer(emitter.frame.rows, emitter.affine(entry, 1, stage.row_base[-1]))
        there = builder.offset(start, builder.mul(emitter.frame.x, constant(I64, spec.ahead_bytes)))
        for place in range(0, stage.chunk * spec.ahead_bytes, LINE):
            builder.prefetch(builder.offset(there, place))
