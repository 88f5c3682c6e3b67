"""The gather form with a kernel field: each output has the kernel of its own anchor."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.classes import LEAST, Blocks, Reaches, occurring, with_radius
from kernelscape.api.fields import Way, arguments_of, arrays_of, described, function_of, gathered, gathered_complex
from kernelscape.api.operands import Operands, flipped_origin, run_parts
from kernelscape.api.options import Options, changed
from kernelscape.api.results import is_writable
from kernelscape.api.signatures import stencil_of
from kernelscape.api.strips import BLEND_BYTES, anchors_between, output_grid, strips
from kernelscape.boundary import MODES, Outside, canonical_modes
from kernelscape.geometry import anchors as anchors_along
from kernelscape.geometry import canonical_centre
from kernelscape.kernels.blend import lowered, rows_at_once
from kernelscape.kernels.field import Blend, Bound


def run_gather(operands: Operands, options: Options, way: Way, output: Any, workers: int | None) -> Array:
    """The sums of products of windows with the kernels at their anchors."""
    assert operands.field is not None
    real = operands.field.real.bound(operands.extents)
    imag = None if operands.field.imag is None else operands.field.imag.bound(operands.extents)
    if way.flipped:
        options = changed(options, origin=flipped_origin(options.origin, real.size))
    options = changed(options, size=real.size, axes=operands.axes)
    if isinstance(real, Bound):
        assert imag is None or isinstance(imag, Bound)
        if real.reach is not None and imag is None and _has_classes(real, options):
            return _run_classes(operands, options, way, real, output, workers)
        return _run(operands, options, way, real, imag, output, workers)
    assert imag is None or isinstance(imag, Blend)
    return _run_strips(operands, options, way, real, imag, output, workers)


def _run(
    operands: Operands, options: Options, way: Way, real: Bound, imag: Bound | None, output: Any, workers: int | None,
    part: Blocks | None = None,
) -> Array:  # fmt: skip
    inner, words = operands.inner, {"way": way, "normalize": operands.normalize, "invalid": options.invalid}
    parts: list[Any] = arguments_of(real, operands.axes, way)
    if operands.result.kind != "c":
        modes = canonical_modes("constant" if options.mode == "valid" else options.mode, len(operands.axes))
        whole = all(MODES[mode].outside is not Outside.MISSING for mode in modes)
        function = function_of(gathered, real, inner, whole=whole, **words)
    else:
        own = len(parts)
        other = None if imag is None else described(imag, inner)
        if imag is not None:
            parts += arguments_of(imag, operands.axes, way)
        windows = 2 if operands.complex_input else 1
        # Correlation conjugates the kernel.
        function = function_of(
            gathered_complex, real, inner, imag=other, windows=windows, own=own, conjugated=not way.flipped, **words
        )
    return run_parts(operands, options, stencil_of(function, options), parts, output, workers, part)


# -- windows of each pixel's own size ----------------------------------------------------------------------------------


def _has_classes(bound: Bound, options: Options) -> bool:
    """Whether smaller windows around the same centre exist, and give the same."""
    centred = all(c == k // 2 for c, k in zip(canonical_centre(options.origin, bound.size), bound.size, strict=True))
    return centred and options.min_count <= 1 and max(bound.size) // 2 > LEAST


def _run_classes(
    operands: Operands, options: Options, way: Way, bound: Bound, output: Any, workers: int | None
) -> Array:
    assert bound.reach is not None
    grid = output_grid(options, operands.extents, bound.size)
    anchors = [np.clip(anchors_along(a), 0, n - 1) for a, n in zip(grid, operands.extents, strict=True)]
    reaches = Reaches(bound.reach()[np.ix_(*anchors)])
    classes = occurring(reaches, max(bound.size) // 2)
    options = changed(options, anchors=tuple((axis.first, axis.count) for axis in grid))
    if len(classes) == 1:
        small = with_radius(bound, classes[0])
        return _run(operands, changed(options, size=small.size), way, small, None, output, workers)
    # Parts are written in turn, so that what is written to must not be a copy of what is handed back.
    straight = isinstance(output, np.ndarray) and is_writable(output, (operands.array, *arrays_of(bound)))
    result = output if straight or not isinstance(output, np.ndarray) else output.dtype.newbyteorder("=")
    for low, high in itertools.pairwise([-1, *classes]):
        small = with_radius(bound, high)
        part = Blocks(reaches, low, high)
        result = _run(operands, changed(options, size=small.size), way, small, None, result, workers, part)
    if isinstance(output, np.ndarray) and not straight:
        output[...] = result
    return output if isinstance(output, np.ndarray) else np.asarray(result)


# -- blends, some rows at a time ---------------------------------------------------------------------------------------


def _run_strips(
    operands: Operands, options: Options, way: Way, real: Blend, imag: Blend | None, output: Any, workers: int | None
) -> Array:
    extents, inner = operands.extents, operands.inner
    grid = output_grid(options, extents, real.size)
    at_once = rows_at_once(real, extents, inner.itemsize, BLEND_BYTES)
    result: Array | None = output if isinstance(output, np.ndarray) else None
    for first, stop in strips(grid[0], extents[0], at_once):
        low, high = anchors_between(grid[0], first, stop, extents[0])
        bounds = [None if b is None else lowered(b, extents, low, high, inner) for b in (real, imag)]
        assert bounds[0] is not None
        whole = (first, stop) == (0, grid[0].count)
        anchors = [(axis.first, axis.count) for axis in grid]
        anchors[0] = (grid[0].first + grid[0].stride * first, stop - first)
        part = options if whole else changed(options, anchors=tuple(anchors))
        place = (slice(None),) * operands.axes[0] + (slice(first, stop),)
        target = output if result is None else result[place]
        computed = _run(operands, part, way, bounds[0], bounds[1], target, workers)
        if whole:
            return computed
        if result is None:
            shape = list(computed.shape)
            shape[operands.axes[0]] = grid[0].count
            result = np.empty(shape, computed.dtype)
            result[place] = computed
    assert result is not None
    return result
