"""Separable kernels, scattered: the factors of each source's kernel are computed once, and then read as arrays.

A scatter evaluates a weight for each sample of the window, as every source has a kernel of its own: for a Gaussian, k*k
exponentials an output. Where the weights are products over the axes, k + k factors of each source say the same. They
are computed beforehand, for the sources of some rows of outputs, as *planes*: an image for each offset along an axis.
The output is then a sum of products of samples and planes.

Planes of different axes that are one and the same expression, as those of a round Gaussian, are computed once.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array, canonical_argument
from kernelscape.api.fields import Described, Way, Weights, arguments_of, kept_function
from kernelscape.api.kept import Kept
from kernelscape.api.operands import run_function
from kernelscape.api.options import Options
from kernelscape.api.stencils import stencil_of
from kernelscape.expression import DType, Shape, structure
from kernelscape.kernels.field import Bound, Coordinate, Elements, Map, Offsets
from kernelscape.trace import own_arrays

LEAST_GAIN = 6
"""So many weights for each plane: with fewer, to write and read planes takes as long as to evaluate the weights."""
LEAST_WORK = 1 << 24
"""So many weights in all: with fewer, one more pass over the image takes longer to get going than it saves."""


def planes_for(bound: Bound, extents: Shape, sources: int, options: Options, way: Way, dtype: DType) -> Planes | None:
    """The planes of a field on an image, where they are less work than the weights of so many sources.

    `options` are those of windows of one sample, `way` is the one in which the kernels would be gathered.
    """
    taps = math.prod(bound.size)
    if bound.factors is None or len(extents) < 2 or options.method == "numpy" or sources * taps < LEAST_WORK:
        return None
    if any(isinstance(part, Elements | Coordinate) for part in bound.parts):
        return None  # factors that are arrays already; and those that would not be the same function on a box
    planes = Planes.of(bound, extents, options, way, dtype)
    return planes if taps >= LEAST_GAIN * planes.count else None


@dataclass(frozen=True, slots=True)
class Planes:
    """The factors of a field's kernels: how they are computed, and which of them are the same.

    `first` says for each axis which is the first one with the same factors.
    """

    function: Callable[..., Any]
    size: Shape
    options: Options
    first: tuple[int, ...]
    way: Way
    dtype: DType

    @staticmethod
    def of(bound: Bound, extents: Shape, options: Options, way: Way, dtype: DType) -> Planes:
        """The planes of a field on an image; `options` are those of windows of one sample."""
        field, axes = Described.of(bound, dtype), tuple(range(len(bound.size)))
        function = kept_function(factors, field=field, way=way, along=axes)
        key = (function, *((type(part), getattr(getattr(part, "array", None), "dtype", None)) for part in bound.parts))
        first = _first_axes.get(key)
        if first is None:
            arguments = _arguments(bound, extents, way, dtype)
            first = _first_axes.put(key, _same_axes(function, bound.size, options, arguments))
        function = kept_function(factors, field=field, way=way, along=tuple(sorted(set(first))))
        return Planes(function, bound.size, options, first, way, dtype)

    @property
    def count(self) -> int:
        """How many different planes there are."""
        return sum(self.size[axis] for axis in set(self.first))

    def of_box(self, own: Bound, workers: int | None) -> tuple[Elements, ...]:
        """The factors along each axis, of the field on a box of its image."""
        extents = next(part.array.shape for part in own.parts if isinstance(part, Map))
        *outer, inner = extents
        # Rows of the planes lie side by side: a kernel's row is read with all of its factors.
        made = np.empty((*outer, self.count, inner), self.dtype)
        targets = tuple(made[..., number, :] for number in range(self.count))
        arguments = _arguments(own, extents, self.way, self.dtype)
        run_function(self.function, self.options, arguments, targets, workers)
        places, start, ndim = {}, 0, len(extents)
        for axis in sorted(set(self.first)):
            places[axis] = slice(start, start + self.size[axis])
            start += self.size[axis]
        lines = [np.moveaxis(made[..., places[same], :], -2, -1) for same in self.first]
        other = [[ndim + a for a in range(ndim) if a != axis] for axis in range(ndim)]
        return tuple(Elements(np.expand_dims(array, axes)) for array, axes in zip(lines, other, strict=True))


_first_axes: Kept[tuple[int, ...]] = Kept(64)


def _same_axes(function: Callable[..., Any], size: Shape, options: Options, arguments: list[Any]) -> tuple[int, ...]:
    """For each axis the first one whose factors are the same expressions of the same values."""
    outputs = stencil_of(function, options).prepared_for(list(map(canonical_argument, arguments))).shared.job.outputs
    numbers = iter(structure(outputs)[1])
    lines = [tuple(itertools.islice(numbers, k)) for k in size]
    return tuple(map(lines.index, lines))


def _arguments(bound: Bound, extents: Shape, way: Way, dtype: DType) -> list[Any]:
    """Those of `factors`: an image of nothing, which says what the extents are, and the parts of the field."""
    nothing = np.broadcast_to(np.zeros((), dtype), extents)
    return [nothing, *arguments_of(bound, range(len(extents)), way, dtype)]


def factors(window: Any, *values: Any, field: Described, way: Way, along: Sequence[int]) -> tuple[Any, ...]:
    """The factors of the anchor's kernel along some axes, one behind the other."""
    with own_arrays(window):
        assert field.factors is not None
        found = field.factors(field.offsets, *Weights(field, values, way).values)
        lines = [np.broadcast_to(found[axis], field.offsets[axis].shape).reshape(-1) for axis in along]
        return tuple(line[tap] for line in lines for tap in range(line.shape[0]))


def with_planes(bound: Bound, planes: tuple[Elements, ...]) -> Bound:
    """The field on a box of its image with the planes before its parts, if it needs these any longer."""
    if bound.takes_part is None:
        return Bound(bound.size, bound.dtype, planes, _no_weights)
    asked = functools.partial(_behind, len(planes), bound.takes_part)
    return Bound(bound.size, bound.dtype, planes + bound.parts, _no_weights, takes_part=asked)


def _no_weights(offsets: Offsets, *values: Any) -> Any:
    raise AssertionError("Weights are products of planes, and are never made.")


def _behind(count: int, function: Callable[..., Any], offsets: Offsets, *values: Any) -> Any:
    return function(offsets, *values[count:])


def scattered_factors(window: Any, *values: Any, field: Described, way: Way, displacements: tuple[Array, ...]) -> Any:
    """The sum of products of the samples of a window with the factors of their own kernels, the last axis first."""
    with own_arrays(window):
        part = Weights(field, values, way, displacements).part
        products = window
        # What has the factor of the last axis is the same for all outputs of a column.
        for factor in reversed(values[: len(field.offsets)]):
            products = products * factor
        if part is None:
            return np.sum(products)
        return np.sum(products, where=np.broadcast_to(part, products.shape))
