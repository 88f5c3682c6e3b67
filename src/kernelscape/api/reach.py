"""Where the samples of an image go when they spread, and back to which samples the mode folds what falls outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.options import Options, changed
from kernelscape.api.strips import output_grid
from kernelscape.boundary import MODES, Outside, canonical_modes, locate
from kernelscape.errors import ArgumentError
from kernelscape.expression import Shape
from kernelscape.geometry import canonical_centre, canonical_dilation

Slices = tuple[slice, ...]
Region = tuple[tuple[int, int], ...]
"""(first, count) along each window axis, of places that may lie outside of the array."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the samples of an image go, along its window axes.

    Attributes
    ----------
    extents, size, centre, dilation : tuple of int
    modes : tuple of str
    flipped : bool
        A kernel's sample i goes to +i (a convolution), or to -i.
    """

    extents: Shape
    size: Shape
    centre: Shape
    dilation: Shape
    modes: tuple[str, ...]
    flipped: bool

    @staticmethod
    def of(extents: Shape, size: Shape, options: Options, flipped: bool) -> Reach:
        """The reach of kernels of some size, as the options of a call say."""
        ndim = len(extents)
        return Reach(
            extents,
            size,
            canonical_centre(options.origin, size),
            canonical_dilation(options.dilation, ndim),
            canonical_modes("constant" if options.mode == "valid" else options.mode, ndim),
            flipped,
        )

    def margins(self, axis: int) -> tuple[int, int]:
        """How far kernels reach out of the array, before it and behind it."""
        before = self.dilation[axis] * self.centre[axis]
        behind = self.dilation[axis] * (self.size[axis] - 1 - self.centre[axis])
        return (before, behind) if self.flipped else (behind, before)

    def folded(self, axis: int) -> bool:
        """Whether what falls outside along an axis comes back."""
        return MODES[self.modes[axis]].outside is Outside.ELEMENT

    def window_centre(self, flipped: bool) -> Shape:
        """Which sample of a window lies on the anchor."""
        return tuple(k - 1 - c if flipped else c for k, c in zip(self.size, self.centre, strict=True))

    def origin(self, flipped: bool) -> tuple[int, ...]:
        """The origin of such a window."""
        return tuple(c - k // 2 for k, c in zip(self.size, self.window_centre(flipped), strict=True))

    def displacements(self) -> tuple[Array, ...]:
        """Where the source lies that a kernel's sample i belongs to, seen from the output."""
        found = []
        for axis, (k, c, d) in enumerate(zip(self.size, self.centre, self.dilation, strict=True)):
            steps = d * (np.arange(k, dtype=np.int64) - c)
            shape = (1,) * axis + (k,) + (1,) * (len(self.size) - axis - 1)
            found.append((-steps if self.flipped else steps).reshape(shape))
        return tuple(found)

    def pieces(self) -> Iterator[Region]:
        """All that is computed: the array itself, then the margins around it."""
        core = tuple((0, n) for n in self.extents)
        yield core
        for axis, n in enumerate(self.extents):
            if not self.folded(axis):
                continue
            before, behind = self.margins(axis)
            wide = tuple(self._extended(a) for a in range(axis))
            for first, count in ((-before, before), (n, behind)):
                if count:
                    yield (*wide, (first, count), *core[axis + 1 :])

    def _extended(self, axis: int) -> tuple[int, int]:
        before, behind = self.margins(axis) if self.folded(axis) else (0, 0)
        return -before, self.extents[axis] + before + behind

    def everything(self) -> Region:
        """All pieces in one."""
        return tuple(self._extended(axis) for axis in range(len(self.extents)))

    def all_folded(self, part: Callable[[Region], Array]) -> Array:
        """The image, with what fell outside of it; `part` gives what fell on a region."""
        core, *margins = self.pieces()
        result = np.ascontiguousarray(part(core))
        for region in margins if 0 not in self.extents else ():
            self.fold(result, part(region), region)
        return result

    def fold(self, result: Array, piece: Array, region: Region) -> None:
        """Add what fell on a region outside to where it belongs; window axes are the last ones of both arrays."""
        index = [
            locate(mode, np.arange(first, first + count), n)[0]
            for mode, (first, count), n in zip(self.modes, region, self.extents, strict=True)
        ]
        batch = [np.arange(n) for n in result.shape[: result.ndim - len(index)]]
        np.add.at(result, np.ix_(*batch, *index), piece)


def selection(reach: Reach, options: Options) -> Slices:
    """The outputs that stride and padding keep: they select from what was scattered and folded.

    Raises
    ------
    ArgumentError
        The padding asks for outputs outside the array, of which nothing is left after folding.
    """
    found = []
    grid = output_grid(changed(options, origin=reach.origin(reach.flipped)), reach.extents, reach.size)
    for axis, extent in zip(grid, reach.extents, strict=True):
        last = axis.first + axis.stride * (axis.count - 1)
        if axis.count and (axis.first < 0 or last >= extent):
            raise ArgumentError(
                f"padding={options.padding!r} asks for outputs at {axis.first} .. {last} along an axis of {extent}; a "
                "scatter has folded what falls outside the array back into it. Expected 'same', 'valid' or less."
            )
        found.append(slice(axis.first, last + 1 if axis.count else axis.first, axis.stride))
    return tuple(found)


def inside(array: Array, region: Slices) -> Array:
    """A part of the last axes."""
    places: tuple[Any, ...] = (..., *region)
    found: Array = array[places]
    return found


def at_region(whole: Array, region: Region, origin: Sequence[int]) -> Array:
    """What an array whose first place is `origin` has in a region."""
    places = zip(region, origin, strict=True)
    return inside(whole, tuple(slice(first - low, first - low + count) for (first, count), low in places))
