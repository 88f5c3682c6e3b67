"""Runs what `methods.log_sigma` decided: blurs with few sigmas, blended at each pixel by its own.

A gather blurs a strip of the image with all nodes and combines the results. A scatter is the transpose: the image times
what each pixel's sigma gives to a node is spread by that node's kernel, and what all nodes spread is added.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array, KernelArgument, PixelArgument
from kernelscape.api.blocks import Surroundings, inside
from kernelscape.api.linear import convolve, correlate
from kernelscape.api.signatures import apply
from kernelscape.expression import DType, Shape
from kernelscape.geometry import OutputAxis
from kernelscape.kernels.field import Bound, Map, Table
from kernelscape.kernels.gaussian import Gaussian
from kernelscape.methods.gaussian_nodes import Piece
from kernelscape.methods.log_sigma import LogSigma

STRIP_BYTES = 1 << 27
"""Memory for the blurs that are blended together."""


@dataclass(frozen=True, slots=True, eq=False)
class Blurring:
    """What is needed to run a design.

    Attributes
    ----------
    design : LogSigma
    field : Gaussian
    bound : Bound
    around : Surroundings
    flipped : bool
        A convolution.
    dtype : dtype
    words : dict
        The keyword arguments of the call that an exact filter needs: mode, cval, dilation.
    workers : int or None
    """

    design: LogSigma
    field: Gaussian
    bound: Bound
    around: Surroundings
    flipped: bool
    dtype: DType
    words: dict[str, Any]
    workers: int | None

    # -- gather ------------------------------------------------------------------------------------------------------

    def gather(self, array: Array, centre: float) -> Array:
        """The filtered image, window axes last; `centre` is taken from the samples while they are blurred."""
        around, batch = self.around, array.shape[: array.ndim - len(self.around.extents)]
        counts = tuple(axis.count for axis in around.grid)
        result = np.empty((*batch, *counts), self.dtype)
        if self.design.split is not None:
            near = self._small(array, "gather")
            result[...] = inside(near, around.selected)
        maps = [self._at_anchors(part) for part in self.bound.parts]
        for first, stop in self._strips(batch, counts):
            region = tuple(
                slice(a.first + a.stride * i, a.first + a.stride * (j - 1) + 1)
                for a, i, j in zip(around.grid, (first, *(0,) * (len(counts) - 1)), (stop, *counts[1:]), strict=True)
            )
            block = around.around(array, region, self.dtype, centre)
            here = [m[first:stop] if m.ndim else m for m in maps]
            place = (*(slice(None),) * len(batch), slice(first, stop))
            if len(self.design.pieces) > 1:
                result[place] = self._along_axes(block, here, centre)
            else:
                self._isotropic(block, here, centre, result[place])
        return result

    def _strips(self, batch: Shape, counts: Shape) -> Iterator[tuple[int, int]]:
        """Rows of outputs (first, stop) whose blurs fit into memory."""
        most = sum(max(len(piece.blurs) for piece in pieces) for pieces in self.design.pieces)
        wide = [n + (b + a) // 2 for n, b, a in zip(counts, self.around.before, self.around.behind, strict=True)]
        row = math.prod(batch) * math.prod(wide[1:]) * self.dtype.itemsize * (most + 3)
        margin = self.around.before[0] + self.around.behind[0]
        rows = max(64, margin, STRIP_BYTES // max(1, row))
        parts = max(1, math.ceil(counts[0] / rows))
        edges = [round(i * counts[0] / parts) for i in range(parts + 1)]
        yield from itertools.pairwise(edges)

    def _at_anchors(self, part: Any) -> Array:
        """A map as the outputs read it."""
        if isinstance(part, Table):
            return part.array
        assert isinstance(part, Map)
        around, array = self.around, part.array
        if all(a == OutputAxis(0, 1, n) for a, n in zip(around.grid, around.extents, strict=True)):
            return array
        index = [
            np.clip(a.first + a.stride * np.arange(a.count), 0, n - 1)
            for a, n in zip(around.grid, around.extents, strict=True)
        ]
        found: Array = array[np.ix_(*index)]
        return found

    def _isotropic(self, block: Array, maps: Sequence[Array], centre: float, result: Array) -> None:
        sigma = maps[0]
        own = sigma.astype(self.dtype, copy=False)
        for piece in self.design.pieces[0]:
            which, others = self._which(piece, maps)
            if others is not None and not self._any(piece, maps):
                continue
            blurs = [functools.reduce(self._pass, enumerate(lines), block) for lines in piece.blurs]
            arguments = [] if others is None else [PixelArgument(result), PixelArgument(others)]
            result[...] = self._apply(
                _blend(len(blurs), which), blurs[0], PixelArgument(own), self._numbers(piece, centre), *arguments,
                *map(PixelArgument, blurs[1:]),
            )  # fmt: skip

    def _along_axes(self, block: Array, maps: Sequence[Array], centre: float) -> Array:
        first, second = (pieces[0] for pieces in self.design.pieces)
        shape = np.broadcast_shapes(*(m.shape for m in maps[:2]))
        one, other = (PixelArgument(np.broadcast_to(m, shape).astype(self.dtype, copy=False)) for m in maps[:2])
        columns = []
        for (line,) in first.blurs:
            column = self._pass(block, (0, line))
            rows = [self._pass(column, (1, lines[0])) for lines in second.blurs]
            numbers = self._numbers(second, 0.0)
            columns.append(
                self._apply(_blend(len(rows), "all"), rows[0], other, numbers, *map(PixelArgument, rows[1:]))
            )
        numbers = self._numbers(first, centre)
        made: Array = self._apply(
            _blend(len(columns), "all"), columns[0], one, numbers, *map(PixelArgument, columns[1:])
        )
        return made

    def _pass(self, block: Array, along: tuple[int, Array]) -> Array:
        """One axis of a block blurred; what windows of this size do not see is left out."""
        axis, line = along
        ndim = len(self.around.extents)
        start, line = self._placed(axis, line, self.flipped)
        dilation, grid = self.around.dilation[axis], self.around.grid[axis]
        place = block.ndim - ndim + axis
        length = block.shape[place] - self.around.before[axis] - self.around.behind[axis]
        seen = block[(*(slice(None),) * place, slice(start, start + length + dilation * (len(line) - 1)))]
        return self._filter(correlate, seen, line, axis, stride=grid.stride, padding="valid")

    def _placed(self, axis: int, line: Array, flipped: bool) -> tuple[int, Array]:
        """Where a blur begins in the field's window, in samples of the image, and its weights in that order."""
        size, radius = self.around.size[axis], len(line) // 2
        line = line[::-1] if flipped else line
        first = (size - 1 - size // 2 if flipped else size // 2) - radius
        if first + 2 * radius > size - 1:
            line = line[:-1]  # the sample that a window of even size lacks
        if first < 0:
            first, line = 0, line[1:]
        return self.around.dilation[axis] * first, line

    def _filter(
        self, run: Callable[..., Array], array: Array, line: Array, axis: int, *, stride: int, padding: str
    ) -> Array:
        ndim = len(self.around.extents)
        shape = tuple(len(line) if a == axis else 1 for a in range(ndim))
        steps = {
            "stride": tuple(stride if a == axis else 1 for a in range(ndim)),
            "dilation": tuple(self.around.dilation[axis] if a == axis else 1 for a in range(ndim)),
        }
        kernel = np.ascontiguousarray(line, self.dtype).reshape(shape)
        axes = tuple(range(array.ndim - ndim, array.ndim))
        return run(array, kernel, mode="constant", padding=padding, axes=axes, workers=self.workers, **steps)

    def _apply(self, function: Callable[..., Any], array: Array, *arguments: Any) -> Array:
        ndim = len(self.around.extents)
        axes = tuple(range(array.ndim - ndim, array.ndim))
        found: Array = apply(
            function, array, *arguments, size=(1,) * ndim, axes=axes, method="traced", workers=self.workers
        )
        return found

    # -- which pixels ------------------------------------------------------------------------------------------------

    def _which(self, piece: Piece, maps: Sequence[Array]) -> tuple[str, Array | None]:
        """For which pixels a piece is, and the map that says so."""
        if piece.radius is not None:
            return ("radius" if self.design.split is None else "radius above"), maps[1]
        if self.design.split is not None:
            return "above", maps[0].astype(self.dtype, copy=False)
        return "all", None

    def _any(self, piece: Piece, maps: Sequence[Array]) -> bool:
        """Whether some pixel needs the piece."""
        if piece.radius is not None:
            return bool((maps[1] == piece.radius).any())
        return bool((maps[0] > self.design.split).any())

    def _numbers(self, piece: Piece, centre: float) -> KernelArgument:
        """What the functions below need to know of a piece: one row of numbers per node."""
        count = len(piece.places)
        numbers = np.zeros((3, max(count, 6)), self.dtype)
        numbers[0, :count], numbers[1, :count] = piece.places, piece.factors
        split = -1.0 if self.design.split is None else self.design.split
        radius = -1.0 if piece.radius is None else piece.radius
        numbers[2, :6] = piece.low, piece.middle, 1 / piece.half, centre, split, radius
        return KernelArgument(numbers)

    def _small(self, array: Array, form: str) -> Array:
        """The image filtered exactly, with sigmas that are at most the split's."""
        design, ndim = self.design, len(self.around.extents)
        assert design.split is not None
        size = None if design.split_radius is None else 2 * design.split_radius + 1
        field = Gaussian(
            np.minimum(self.field.sigma, design.split), size=size, truncate=self.field.truncate,
            normalize=self.field.normalize,
        )  # fmt: skip
        run = convolve if self.flipped else correlate
        axes = tuple(range(array.ndim - ndim, array.ndim))
        return run(
            array.astype(self.dtype, copy=False), field, form=form, axes=axes, workers=self.workers, **self.words
        )

    # -- scatter -----------------------------------------------------------------------------------------------------

    def scatter(self, array: Array) -> Array:
        """The image of which each sample is spread by its own kernel, folded; window axes last."""
        around, ndim = self.around, len(self.around.extents)
        array = array.astype(self.dtype, copy=False)
        canvas = around.canvas(array.shape[: array.ndim - ndim], self.dtype)
        maps = [part.array for part in self.bound.parts if isinstance(part, Map)]
        own = PixelArgument(maps[0].astype(self.dtype, copy=False))
        for piece in self.design.pieces[0]:
            which, others = self._which(piece, maps)
            if others is not None and not self._any(piece, maps):
                continue
            for node, lines in enumerate(piece.blurs):
                numbers = self._numbers(piece, 0.0)
                rest = KernelArgument(np.delete(numbers.array[0, : len(piece.places)], node))
                factor = KernelArgument(numbers.array[1, node : node + 1])
                more = [] if others is None else [PixelArgument(others)]
                spread = self._apply(_share(len(piece.blurs), which), array, own, numbers, rest, factor, *more)
                place = []
                for axis, line in enumerate(lines):
                    start, line = self._placed(axis, line, not self.flipped)
                    spread = self._filter(convolve, spread, line, axis, stride=1, padding="full")
                    place.append(slice(start, start + spread.shape[spread.ndim - ndim + axis]))
                inside(canvas, tuple(place))[...] += spread
        whole = around.folded(canvas)
        if self.design.split is not None:
            near = np.where(maps[0] <= self.design.split, array, np.zeros((), self.dtype))
            whole = whole + self._small(near, "scatter")
        return inside(whole, around.selected)


# -- functions of a pixel ----------------------------------------------------------------------------------------------


def _place(sigma: Any, numbers: Any) -> Any:
    """The pixel's t; sigmas outside of the interval count as its ends."""
    t = (np.log(np.maximum(sigma, numbers[2, 0])) - numbers[2, 1]) * numbers[2, 2]
    return np.minimum(np.maximum(t, -1.0), 1.0)


def _taken(which: str, numbers: Any, others: Any, sigma: Any) -> Any:
    """Whether the pixel is one of a piece."""
    if which == "above":
        return others > numbers[2, 4]
    found = others.astype(numbers.dtype) == numbers[2, 5]
    return found & (sigma > numbers[2, 4]) if which == "radius above" else found


@functools.lru_cache(128)
def _blend(count: int, which: str) -> Callable[..., Any]:
    """The sum of blurs times Lagrange's polynomials at the pixel's sigma; elsewhere what was there before."""

    def blend(first: Any, sigma: Any, numbers: Any, *more: Any) -> Any:
        known = 0 if which == "all" else 2
        blurs = [first[(0,) * first.ndim], *more[known:]]
        total = blurs[0] if count == 1 else _interpolated(_place(sigma, numbers), numbers, blurs)
        total = total + numbers[2, 3]
        return total if which == "all" else np.where(_taken(which, numbers, more[1], sigma), total, more[0])

    return blend


def _interpolated(t: Any, numbers: Any, blurs: list[Any]) -> Any:
    """Products of differences from the nodes on both sides of each: no division, and no case at the nodes."""
    count = len(blurs)
    differences = [t - numbers[0, j] for j in range(count)]
    behind: list[Any] = [None] * count
    for j in range(count - 2, -1, -1):
        behind[j] = differences[j + 1] if behind[j + 1] is None else differences[j + 1] * behind[j + 1]
    before = total = None
    for j in range(count):
        weight = numbers[1, j]
        weight = weight if before is None else weight * before
        weight = weight if behind[j] is None else weight * behind[j]
        total = weight * blurs[j] if total is None else total + weight * blurs[j]
        before = differences[j] if before is None else before * differences[j]
    return total


@functools.lru_cache(128)
def _share(count: int, which: str) -> Callable[..., Any]:
    """The sample times the Lagrange polynomial of one node at its sigma; 0 for pixels of other pieces."""

    def share(window: Any, sigma: Any, numbers: Any, rest: Any, factor: Any, *others: Any) -> Any:
        value = window[(0,) * window.ndim]
        if count > 1:
            t = _place(sigma, numbers)
            weight = factor[0]
            for j in range(count - 1):
                weight = weight * (t - rest[j])
            value = value * weight
        if which == "all":
            return value
        return np.where(_taken(which, numbers, others[0], sigma), value, np.zeros((), value.dtype))

    return share
