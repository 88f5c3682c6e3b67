"""Calls of the native worker: the words of a call, scratch memory, threads, cancellation.

An `Executable` belongs to one plan (one layout of arrays) and holds everything that does not change from call to call:
machine code, offset tables of all axes, segments along x, how tiles are cut. A call adds addresses only.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kernelscape import pool
from kernelscape.backends import compiled, cpu
from kernelscape.backends.words import Call, Sweep
from kernelscape.errors import ArgumentError, BoundsError, nan_in_integers
from kernelscape.execute.memory import LINE, Array, Words, address_of, rounded
from kernelscape.execute.tables import Tables
from kernelscape.execute.work import work_of
from kernelscape.plan import Plan

INLINE_SECONDS = 150e-6
"""Work that is expected to take less runs in the calling thread: waking others would cost as much."""
# As plain numbers, since members of an enumeration are slow, and a call takes microseconds.
_ERROR, _NAN, _ARGUMENTS = int(Call.ERROR), int(Call.NAN), int(Call.ARGUMENTS)
_TILES, _CHOSEN = int(Call.TILES), int(Call.CHOSEN_TABLE)
_INPUT_BASES, _PLANE_BASES, _INPUT_LIMITS = int(Call.INPUT_BASES), int(Call.PLANE_BASES), int(Call.INPUT_LIMITS)
_NO_WORDS = bytes(8 * len(Call))


class Executable:
    """A plan with its machine code and tables, ready to be called many times, from many threads."""

    def __init__(self, plan: Plan, *, checked: bool, blocks: tuple[int, int] | None = None) -> None:
        missing = cpu.missing_features(plan.target)
        if missing:
            raise ArgumentError(
                f"target must be one whose code this machine can run; got {plan.target.name!r} ({plan.target.cpu}), "
                f"which needs {', '.join(missing)}. Choose a lower level, or configure(target=None) for this machine."
            )
        self.plan, self.checked, self.blocks = plan, checked, blocks
        work = work_of(plan, blocks)
        tables = Tables(work, checked=checked)
        self.tables = tables
        self.keep: list[Any] = tables.memory.kept
        self.scratch_bytes = tables.memory.scratch_bytes
        self.sweep = tables.sweep
        self.tiles = int(tables.sweep[Sweep.TILES])
        self._sweep_at = int(tables.sweep.ctypes.data)
        self._worker = self._entry_point()
        self._free: list[tuple[int, Array]] = []
        self.serial = plan.estimate.work < INLINE_SECONDS or self.tiles == 1

    def _entry_point(self) -> Callable[[int, int, int], None]:
        import ctypes

        code = compiled.worker(self.plan.target, checked=self.checked)
        self.keep.append(code)
        prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        return prototype(code.addresses["worker"])

    def run(
        self,
        arrays: Sequence[Array],
        arguments: Sequence[Array],
        outputs: Sequence[Array],
        workers: int | None = None,
        chosen: Words | None = None,
    ) -> None:
        """Computes `outputs` (shape ``batch + counts + element shape``) from arrays of the plan's layouts.

        Where `chosen` is given (see `tiles_in`), only these tiles of them.

        Raises
        ------
        ArgumentError
            An integer output would have to hold NaN, and `job.invalid` is not an integer.
        BoundsError
            In a checked build, when the generated code left a buffer.
        """
        tiles = self.tiles if chosen is None else len(chosen)
        if not tiles:
            return
        call = self._call_words(arrays, arguments, outputs)
        if chosen is not None:
            call[_TILES], call[_CHOSEN] = tiles, chosen.ctypes.data
        address, sweep, free = call.buffer_info()[0], self._sweep_at, self._free

        def share(number: int) -> None:
            try:
                scratch = free.pop()
            except IndexError:
                memory = self._scratch()
                scratch = aligned(memory), memory
            self._worker(sweep, address, scratch[0])
            free.append(scratch)

        if self.serial:
            share(0)
        else:
            count = min(pool.resolve_workers(workers), tiles)
            pool.run(share, count, lambda: call.__setitem__(Call.CANCEL, 1))
        if call[_ERROR]:
            raise BoundsError(
                f"generated code reached address {call[_ERROR]:#x} outside its buffers; this is a defect of "
                f"Kernelscape, please report it with this plan:\n{self.plan.explain()}"
            )
        if call[_NAN]:
            raise nan_in_integers(next(o.dtype for o in outputs if o.dtype.kind in "iu"))

    def tiles_in(self, wanted: Array) -> Words:
        """The numbers of the tiles that lie in wanted blocks.

        `wanted` has an entry for each block of positions along the outer axes, y and x, as `blocks` cuts them; outer
        axes are not cut.
        """
        segments, strips = int(self.sweep[Sweep.SEGMENTS]), int(self.sweep[Sweep.STRIPS])
        flat = wanted.reshape(-1, strips, wanted.shape[-1])[:, :, self._block_columns]
        assert flat.size == self.tiles == flat.shape[0] * strips * segments
        return np.flatnonzero(flat).astype(np.int64)

    @functools.cached_property
    def _block_columns(self) -> Words:
        """In which block along x each segment lies."""
        assert self.blocks is not None
        return np.array([x0 // self.blocks[1] for x0, _ in self.tables.segments()])

    def _scratch(self) -> Array:
        """Memory for one worker."""
        # Zeros: lanes beyond the array compute on what they find, which must not be slow denormals.
        return np.zeros(self.scratch_bytes + LINE, np.uint8)

    def _call_words(self, arrays: Sequence[Array], arguments: Sequence[Array], outputs: Sequence[Array]) -> array[int]:
        """The words of `Call`, and behind them the tables that they point to."""
        starts = [address_of(output) for output in outputs]
        tables = [
            (_INPUT_BASES, [address_of(a) for a in arrays]),
            (_PLANE_BASES, [starts[n] + offset for n, offset in self.tables.plane_offsets]),
            (_ARGUMENTS, [word for a in arguments for word in span_of(a)]),
        ]
        if self.checked:
            bounds = np.lib.array_utils.byte_bounds
            tables.append((Call.INPUT_LIMITS, [word for a in arrays for word in bounds(a)]))
            planes = [word for n, _ in self.tables.plane_offsets for word in bounds(outputs[n])]
            tables.append((Call.PLANE_LIMITS, planes))
        else:
            tables.append((_INPUT_LIMITS, tables[0][1]))
        words = array("q", _NO_WORDS)
        words[_TILES] = self.tiles
        for _, table in tables:
            words.extend(table)
        place = words.buffer_info()[0] + len(_NO_WORDS)
        for name, table in tables:
            words[name] = place
            place += 8 * len(table)
        return words


def aligned(memory: Array) -> int:
    """The first address of a cache line."""
    return rounded(address_of(memory), LINE)


def span_of(argument: Array) -> tuple[int, int, int]:
    """A run-time argument as code sees it: where it is, and its bounds."""
    start = address_of(argument)
    return start, start, start + argument.nbytes
