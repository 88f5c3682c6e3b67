"""A field on a box of positions that may reach out of the image, where each pixel has the kernel of the nearest edge.

That is what outputs outside of the image gather with (``padding="full"``), and so what their adjoint has to scatter.
Nothing is copied along axes where all positions have one kernel, or where each has that of its own pixel.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kernelscape.errors import ShapeError
from kernelscape.expression import Shape
from kernelscape.kernels.field import Array, Blend, Bound, Coordinate, Elements, Field, Map, Part


@dataclass(frozen=True, slots=True, eq=False)
class Box(Field):
    """The kernels that a field has at the positions of a box.

    Parameters
    ----------
    field : Field
    image : tuple of int
        The extents of the image that the field is for, along its window axes.
    places : tuple of ndarray of int64
        For each of these axes which pixel's kernel each position of the box has.
    """

    field: Field
    image: Shape
    places: tuple[Array, ...]

    @property
    def extents(self) -> Shape:
        return tuple(len(line) for line in self.places)

    @property
    def real(self) -> Field:
        return replace(self, field=self.field.real)

    @property
    def imag(self) -> Field | None:
        imag = self.field.imag
        return None if imag is None else replace(self, field=imag)

    def bound(self, extents: Shape) -> Bound | Blend:
        if tuple(extents) != self.extents:
            raise ShapeError(f"Expected an image of the box's extents {self.extents}; got {tuple(extents)}.")
        bound = self.field.bound(self.image)
        if isinstance(bound, Blend):
            axes = None if bound.axes is None else _lines_of(bound.axes, self.places)
            coefficients = functools.partial(_coefficients, bound.coefficients, self.places)
            return replace(bound, coefficients=coefficients, axes=axes)
        return bound_at(bound, self.places)


def bound_at(bound: Bound, places: Sequence[Array]) -> Bound:
    """What a field is on a box of its image: for each axis `places` says which pixel's kernel each position has."""
    reach = None if bound.reach is None else functools.partial(_reach, bound.reach, tuple(places))
    return replace(bound, parts=tuple(_part(part, places) for part in bound.parts), reach=reach)


def _part(part: Part, places: Sequence[Array]) -> Part:
    if isinstance(part, Map | Elements):
        return replace(part, array=_taken(part.array, places))
    if isinstance(part, Coordinate):
        # Coordinates are those of the image, not of the box.
        shape = tuple(-1 if axis == part.axis else 1 for axis in range(len(places)))
        return Map(np.broadcast_to(places[part.axis].reshape(shape), tuple(map(len, places))))
    return part


def _taken(array: Array, places: Sequence[Array]) -> Array:
    """What an array has at some places along its first axes; only what they name is copied."""
    shape = (*map(len, places), *array.shape[len(places) :])
    array = array[tuple(slice(int(line.min()), int(line.max()) + 1) for line in places)]
    for axis, line in enumerate(places):
        if array.shape[axis] > 1 and not _is_run(line):
            array = np.take(array, line - line.min(), axis)
    return np.broadcast_to(array, shape)


def _is_run(line: Array) -> bool:
    """Whether places follow one another, so that a slice has them all."""
    return bool((np.diff(line) == 1).all())


def _lines_of(axes: tuple[tuple[Array, Array], ...], places: Sequence[Array]) -> tuple[tuple[Array, Array], ...]:
    return tuple((index[line], weight[line]) for (index, weight), line in zip(axes, places, strict=True))


def _coefficients(
    coefficients: Callable[[tuple[slice, ...]], tuple[Array, Array]], places: Sequence[Array], region: tuple[slice, ...]
) -> tuple[Array, Array]:
    lines = [line[part] for line, part in zip(places, region, strict=True)]
    # Kernels are looked for once for each pixel, however many positions share it.
    covered = tuple(slice(int(line.min()), int(line.max()) + 1) for line in lines)
    index, weight = coefficients(covered)
    inside = [line - pixels.start for line, pixels in zip(lines, covered, strict=True)]
    return _taken(index, inside), _taken(weight, inside)


def _reach(reach: Callable[[], Array], places: Sequence[Array]) -> Array:
    return _taken(reach(), places)


def box_of(field: Field, image: Shape, ranges: Sequence[tuple[int, int]]) -> Box:
    """The box of positions ``first <= p < stop`` along each axis, read at the nearest edge outside of the image."""
    places = (np.arange(first, stop).clip(0, n - 1) for (first, stop), n in zip(ranges, image, strict=True))
    return Box(field, image, tuple(places))
