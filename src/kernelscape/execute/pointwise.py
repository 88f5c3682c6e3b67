"""Calls of the native worker for single points: those that a mask wants, or those of a list."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence

import numpy as np

from kernelscape import pool
from kernelscape.backends import compiled, cpu
from kernelscape.backends.point_words import Kept, PointCall
from kernelscape.errors import ArgumentError, BoundsError, nan_in_integers
from kernelscape.execute.executable import INLINE_SECONDS, aligned, span_of
from kernelscape.execute.memory import LINE, Array, Words, address_of
from kernelscape.execute.points import PointPlan, PointTables
from kernelscape.plan import Layout

TILES = 64
"""Tiles of a call, about."""
SCAN_SECONDS = 1 / 20e9
"""For one byte of a mask."""
_NO_WORDS = bytes(8 * len(PointCall))


def can_be_copied(source: Array, output: Array) -> bool:
    """Whether pieces of rows of an output, axes in the order of the job, can be copied from an array."""
    same = source.dtype == output.dtype and source.shape == output.shape
    return same and source.strides[-1] == output.strides[-1] == output.dtype.itemsize


class PointExecutable:
    """A plan with what it needs for single points: machine code and tables. It can be called from many threads.

    With `results`, which are layouts of lists, points come as lists, and so do their results; else as masks.
    """

    def __init__(self, made: PointPlan, results: Sequence[Layout] | None = None, *, checked: bool) -> None:
        plan = made.plan
        missing = cpu.missing_features(plan.target)
        if missing:
            raise ArgumentError(f"target must be one whose code this machine can run; it lacks {', '.join(missing)}.")
        self.plan, self.made, self.checked = plan, made, checked
        self.tables = PointTables(self.made, results, checked=checked)
        self._sweep_at = int(self.tables.sweep.ctypes.data)
        self._worker = self._entry_point()
        self._free: list[tuple[int, Array]] = []

    def _entry_point(self) -> Callable[[int, int, int], None]:
        import ctypes

        code = compiled.points(self.plan.target, checked=self.checked)
        self.tables.memory.kept.append(code)
        prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        return prototype(code.addresses["points"])

    def run_mask(
        self, arrays: Sequence[Array], arguments: Sequence[Array], outputs: Sequence[Array], mask: Array, count: int,
        workers: int | None = None, kept: Sequence[Array | None] = (),
    ) -> None:  # fmt: skip
        """Computes those outputs that a C-contiguous array of truth values wants, about `count` of them.

        Outputs for which there is an array in `kept` get what that has elsewhere (see `can_be_copied`); the others hold
        it already.

        Raises
        ------
        ArgumentError
            An integer output would have to hold NaN, and `job.invalid` is not an integer.
        BoundsError
            In a checked build, when the generated code left a buffer.
        """
        assert mask.flags.c_contiguous
        assert mask.shape == self.plan.counts
        length = mask.shape[-1]
        rows, pieces = mask.size // max(1, length), math.ceil(length / self.tables.piece)
        words = {
            PointCall.COUNT: rows,
            PointCall.PIECE: self.tables.piece,
            PointCall.PIECES: pieces,
            PointCall.MASK_TABLE: address_of(mask),
        }
        table = self._kept_table(outputs, kept)
        words[PointCall.KEPT_TABLE] = address_of(table)
        seconds = count * self.made.seconds + mask.size * SCAN_SECONDS
        self._run(arrays, arguments, outputs, words, rows * pieces, seconds, workers)

    def _kept_table(self, outputs: Sequence[Array], kept: Sequence[Array | None]) -> Words:
        """The words of `Kept`, and behind them the steps."""
        planes, ndim = self.tables.plane_offsets, len(self.plan.counts)
        table = np.zeros(len(planes) * (len(Kept) + ndim), np.int64)
        place = len(planes) * len(Kept)
        for row, (number, _) in zip(table[:place].reshape(-1, len(Kept)), planes, strict=True):
            source = kept[number] if kept else None
            if source is not None:
                row[Kept.BASE], row[Kept.STEPS] = address_of(source), address_of(table[place:])
                row[Kept.FIRST], row[Kept.END] = np.lib.array_utils.byte_bounds(source)
                table[place : place + ndim] = source.strides
                place += ndim
        return table

    def run_list(
        self, arrays: Sequence[Array], arguments: Sequence[Array], outputs: Sequence[Array], places: Sequence[Words],
        workers: int | None = None,
    ) -> None:  # fmt: skip
        """Computes the outputs at `places`, which are numbers along each axis, into lists."""
        count = len(places[0])
        kept = [np.ascontiguousarray(p, np.int64) for p in places]
        tables = np.array([address_of(p) for p in kept], np.int64)
        words = {PointCall.COUNT: count, PointCall.PLACE_TABLES: address_of(tables)}
        self._run(arrays, arguments, outputs, words, count, count * self.made.seconds, workers)

    def _run(
        self, arrays: Sequence[Array], arguments: Sequence[Array], outputs: Sequence[Array],
        words: dict[PointCall, int], units: int, seconds: float, workers: int | None,
    ) -> None:  # fmt: skip
        if not units:
            return
        per_tile = max(1, math.ceil(units / TILES))
        tiles = math.ceil(units / per_tile)
        call = self._call_words(arrays, arguments, outputs)
        for name, value in {**words, PointCall.PER_TILE: per_tile, PointCall.TILES: tiles}.items():
            call[name] = value
        address, sweep, free = call.buffer_info()[0], self._sweep_at, self._free

        def share(number: int) -> None:
            try:
                scratch = free.pop()
            except IndexError:
                memory = np.zeros(self.tables.memory.scratch_bytes + LINE, np.uint8)
                scratch = aligned(memory), memory
            self._worker(sweep, address, scratch[0])
            free.append(scratch)

        if seconds < INLINE_SECONDS or tiles == 1:
            share(0)
        else:
            used = min(pool.resolve_workers(workers), tiles)
            pool.run(share, used, lambda: call.__setitem__(PointCall.CANCEL, 1))
        if call[PointCall.ERROR]:
            raise BoundsError(
                f"generated code reached address {call[PointCall.ERROR]:#x} outside its buffers; this is a defect of "
                f"Kernelscape, please report it with this plan:\n{self.plan.explain()}"
            )
        if call[PointCall.NAN]:
            raise nan_in_integers(next(o.dtype for o in outputs if o.dtype.kind in "iu"))

    def _call_words(self, arrays: Sequence[Array], arguments: Sequence[Array], outputs: Sequence[Array]) -> array[int]:
        """The words of a call, and behind them the tables that they point to."""
        starts = [address_of(output) for output in outputs]
        offsets, bounds = self.tables.plane_offsets, np.lib.array_utils.byte_bounds
        # Coordinates are inputs without an array.
        inputs = [*(address_of(a) for a in arrays), *(0 for _ in self.made.coordinates)]
        tables = [
            (PointCall.INPUT_BASES, inputs),
            (PointCall.PLANE_BASES, [starts[n] + offset for n, offset in offsets]),
            (PointCall.ARGUMENTS, [word for a in arguments for word in span_of(a)]),
        ]
        if self.checked:
            limits = [word for a in arrays for word in bounds(a)] + [0, 0] * len(self.made.coordinates)
            tables.append((PointCall.INPUT_LIMITS, limits))
            tables.append((PointCall.PLANE_LIMITS, [word for n, _ in offsets for word in bounds(outputs[n])]))
        else:
            tables.append((PointCall.INPUT_LIMITS, inputs))
        words = array("q", _NO_WORDS)
        for _, table in tables:
            words.extend(table)
        place = words.buffer_info()[0] + len(_NO_WORDS)
        for name, table in tables:
            words[name] = place
            place += 8 * len(table)
        return words
