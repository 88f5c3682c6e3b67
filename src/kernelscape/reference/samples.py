"""Values with flags, and the window samples of some output positions: all that the reference knows of geometry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from kernelscape.boundary import MODES, BoolArray, IndexArray, Outside, locate
from kernelscape.expression import DType
from kernelscape.geometry import Input, Job, positions, window_offsets, window_taps
from kernelscape.semantics import convert, register_dtype

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a node at the positions of a chunk.

    Attributes
    ----------
    data : ndarray
        Of shape ``(positions, *node.shape)`` and of the dtype in which the node's dtype is held; what stands at an
        invalid element has no meaning.
    flags : ndarray of bool or None
        Of the same shape; None where every element is valid.
    """

    data: Array
    flags: BoolArray | None = None

    def valid(self) -> BoolArray:
        return np.ones(self.data.shape, np.bool_) if self.flags is None else self.flags


# -- window samples ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Samples:
    """Where the samples of one input lie: per window axis, for each output and box position, an index and its truth."""

    taps: IndexArray
    index: tuple[IndexArray, ...]
    inside: tuple[BoolArray, ...]
    partners: tuple[tuple[int, IndexArray, IndexArray], ...]
    """Other inputs that may miss samples: (input, own sample numbers, its sample numbers at the same offsets)."""

    @staticmethod
    def of(job: Job, number: int) -> Samples:
        source = job.inputs[number]
        found = [
            locate(axis.mode, positions(source.along(output), axis), axis.extent)
            for output, axis in zip(job.grid, source.axes, strict=True)
        ]
        return Samples(
            window_taps(source), tuple(i for i, _ in found), tuple(t for _, t in found), _partners(job, number)
        )

    def always_present(self, source: Input) -> BoolArray:
        """For each sample, whether its own window has it at every output."""
        present = np.full(len(self.taps), not source.has_gaps, np.bool_)
        for axis, inside in enumerate(self.inside):
            if MODES[source.axes[axis].mode].outside is Outside.MISSING:
                present &= np.asarray(inside.all(axis=0))[self.taps[:, axis]]
        return present


def _partners(job: Job, number: int) -> tuple[tuple[int, IndexArray, IndexArray], ...]:
    own = {tuple(offset): i for i, offset in enumerate(window_offsets(job.inputs[number]).tolist())}
    found = []
    for other, source in enumerate(job.inputs):
        if other == number or not may_miss_samples(source):
            continue
        pairs = [(own[o], i) for i, o in enumerate(map(tuple, window_offsets(source).tolist())) if o in own]
        if pairs:
            mine, theirs = np.array(pairs, np.int64).T
            found.append((other, mine, theirs))
    return tuple(found)


def may_miss_samples(source: Input) -> bool:
    """Whether some window of the input can have samples that do not count."""
    return source.has_gaps or any(MODES[axis.mode].outside is Outside.MISSING for axis in source.axes)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some output positions: `coordinates` has one array per batch axis and per window axis, numbering outputs."""

    job: Job
    arrays: Sequence[Array]
    arguments: Sequence[Array]
    samples: Sequence[Samples]
    coordinates: tuple[IndexArray, ...]

    @property
    def count(self) -> int:
        return len(self.coordinates[0]) if self.coordinates else 1

    def window(self, number: int) -> Value:
        """Samples and flags of an input, in shape ``(positions, samples)``."""
        return Value(self._samples_of(number), self.flags(number))

    def _samples_of(self, number: int) -> Array:
        source, array, where = self.job.inputs[number], self.arrays[number], self.samples[number]
        batch = len(self.job.batch)
        outer = tuple(c[:, None] for c in self.coordinates[:batch])
        # Sample i is element i of its position.
        own = tuple(where.taps[None, :, axis] if n > 1 else 0 for axis, n in enumerate(source.elements))
        inner, constant = [], np.zeros((self.count, len(where.taps)), np.bool_)
        for axis, c in enumerate(self.coordinates[batch:]):
            inner.append(where.index[axis][c[:, None], where.taps[:, axis]])
            if MODES[source.axes[axis].mode].outside is Outside.CONSTANT:
                constant |= ~where.inside[axis][c[:, None], where.taps[:, axis]]
        data = load(array[(*outer, *inner, *own)], source.dtype)
        if constant.any():
            data = np.where(constant, held_number(source.cval, source.dtype), data)
        return data

    def pixel(self, number: int) -> Array:
        """What a map has at the anchors."""
        source, where = self.job.inputs[number], self.samples[number]
        batch = len(self.job.batch)
        inner = (source.held_index(axis, where.index[axis][c, 0]) for axis, c in enumerate(self.coordinates[batch:]))
        return load(self.arrays[number][(*self.coordinates[:batch], *inner)], source.dtype)

    def flags(self, number: int) -> BoolArray | None:
        """Flags of the samples: own ones, and those of all windows that have the same offsets."""
        own, partners = self._own_flags(number), self.samples[number].partners
        if own is None and not partners:
            return None
        joint = np.ones((self.count, len(self.samples[number].taps)), np.bool_) if own is None else own
        for other, mine, theirs in partners:
            flags = self._own_flags(other)
            if flags is not None:
                joint[:, mine] &= flags[:, theirs]
        return joint

    def _own_flags(self, number: int) -> BoolArray | None:
        source, where = self.job.inputs[number], self.samples[number]
        if not may_miss_samples(source):
            return None
        flags = np.ones((self.count, len(where.taps)), np.bool_)
        for axis, c in enumerate(self.coordinates[len(self.job.batch) :]):
            if MODES[source.axes[axis].mode].outside is Outside.MISSING:
                flags &= where.inside[axis][c[:, None], where.taps[:, axis]]
        for mask in source.masks:
            flags &= self._samples_of(mask).astype(np.bool_)
        if source.omits_nan:
            flags &= ~np.isnan(self._samples_of(number))
        return flags

    def enough_samples(self) -> BoolArray | None:
        """Where the largest window has at least `min_count` valid samples; None where that is everywhere."""
        number = largest_window(self.job)
        if number is None:
            return None
        flags = self.flags(number)
        available = len(self.samples[number].taps) if flags is None else flags.sum(axis=1)
        return np.broadcast_to(np.asarray(available >= self.job.min_count), (self.count,))


def largest_window(job: Job) -> int | None:
    """The input whose window has the most samples, the first of equals."""
    sizes = [math.prod(source.window_shape) for source in job.inputs]
    return sizes.index(max(sizes)) if sizes else None


def load(samples: Array, dtype: DType) -> Array:
    """Convert the elements of a given array, in any byte order, to the dtype that the function sees."""
    native = samples.dtype.newbyteorder("=")
    return convert(samples.astype(register_dtype(native)), native, dtype)


def held_number(value: bool | int | float, dtype: DType) -> Array:
    """A number of the dtype, in the dtype in which that is held."""
    return np.array(value).astype(dtype).astype(register_dtype(dtype))
