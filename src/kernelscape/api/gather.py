"""The gather form with a kernel field: each output has the kernel of its own anchor."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernelscape.api.arguments import Array
from kernelscape.api.fields import Way, arguments_of, described, function_of, gathered, gathered_complex
from kernelscape.api.operands import Operands, flipped_origin, run_parts
from kernelscape.api.options import Options, changed
from kernelscape.api.signatures import stencil_of
from kernelscape.api.strips import BLEND_BYTES, anchors_between, output_grid, strips
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
        return _run(operands, options, way, real, imag, output, workers)
    assert imag is None or isinstance(imag, Blend)
    return _run_strips(operands, options, way, real, imag, output, workers)


def _run(
    operands: Operands, options: Options, way: Way, real: Bound, imag: Bound | None, output: Any, workers: int | None
) -> Array:
    inner, words = operands.inner, {"way": way, "normalize": operands.normalize, "invalid": options.invalid}
    parts: list[Any] = arguments_of(real, operands.axes, way)
    if operands.result.kind != "c":
        function = function_of(gathered, real, inner, **words)
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
    return run_parts(operands, options, stencil_of(function, options), parts, output, workers)


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
