"""What `correlate` and `convolve` run: one kernel for all pixels, a kernel field, gathered or scattered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array, KernelArgument
from kernelscape.api.fields import Way, complex_sum, kept_function, product_sum, refuse_nan_in_field
from kernelscape.api.gather import run_gather
from kernelscape.api.operands import Operands, counted, flipped_origin, run_parts, window_axes
from kernelscape.api.options import Options, changed, nan_found, not_yet
from kernelscape.api.results import Result, allocate
from kernelscape.api.scatter import run_scatter
from kernelscape.api.selection import Selection
from kernelscape.api.stencils import warn_of_numpy
from kernelscape.api.strips import output_grid
from kernelscape.api.validity import masked_array
from kernelscape.api.weighing import Finish, finished
from kernelscape.errors import TracingError
from kernelscape.geometry import anchors
from kernelscape.kernels.checks import holds_nan


def run_linear(
    operands: Operands, options: Options, way: Way, *, output: Any, workers: int | None, progress: Any,
    selection: Selection | None = None,
) -> Array:  # fmt: skip
    """The sums of products of windows and kernels; `options` have the origin of an unflipped kernel."""
    if progress is not None:
        raise not_yet("progress")
    if options.nan_policy == "raise":
        _refuse_nan(operands, options)
        options = changed(options, nan_policy="propagate")
    if operands.rule.weighs:  # what the function writes in place of an invalid result, its dtype must hold
        allocate([Result((), operands.result, True, options.invalid)], None)
    if operands.masked:
        return _run_masked(operands, options, way, output, workers, selection)
    if operands.field is not None and options.tol is not None and selection is None:
        from kernelscape.api.approximate import run_approximately  # which runs filters itself

        found = run_approximately(operands, options, way, output, workers)
        if found is not None:
            return found
    made: Array = _run(operands, options, way, output, workers, selection)
    return made


def _run_masked(
    operands: Operands, options: Options, way: Way, output: Any, workers: int | None, selection: Selection | None
) -> Array:
    """The result as a masked array.

    Where an output is not wanted, it is masked if it is the input's sample and that is masked.
    """
    if operands.result.kind in "biu" and not isinstance(options.invalid, int):
        # What is masked may hold anything, so that integers need no NaN.
        options = changed(options, invalid=0)
    if selection is None:
        result, flags = _run(operands, options, way, output, workers, None)
    else:
        otherwise = selection.otherwise_for(0, 1)
        here = (
            None if otherwise is not None and not isinstance(otherwise, str) else _own_samples(operands, options, way)
        )
        if isinstance(selection.at, np.ndarray) and selection.at.dtype.kind == "f":
            # Flags are not blended. What is written may be what is read.
            _, flags = _run(
                operands, options, way, None, workers, replace(selection, at=selection.at != 0, otherwise=(0, 1))
            )
            result = _run(replace(operands, masked=False), options, way, output, workers, selection)
        else:
            result, flags = _run(operands, options, way, output, workers, replace(selection, otherwise=(otherwise, 1)))
        if here is not None:
            axes = window_axes(operands, options)
            flags &= here | (selection.wanted(flags.shape, [axis in axes for axis in range(flags.ndim)]) != 0)
    masked: Array = masked_array(result, flags, options.invalid)
    return masked


def _own_samples(operands: Operands, options: Options, way: Way) -> Array | None:
    """Which of the input's samples at the anchors are not masked in the input; None: all of them."""
    if operands.own_mask is None:
        return None
    axes = window_axes(operands, options)
    if operands.weights is not None:
        size = operands.weights.shape
    else:
        assert operands.field is not None
        size = operands.field.bound(operands.extents).size
    origin = flipped_origin(options.origin, size) if way.flipped else options.origin
    found = operands.own_mask
    extents = tuple(found.shape[axis] for axis in axes)
    for axis, along, n in zip(axes, output_grid(changed(options, origin=origin), extents, size), extents, strict=True):
        found = np.take(found, np.clip(anchors(along), 0, max(n - 1, 0)), axis)
    return found


def _run(
    operands: Operands, options: Options, way: Way, output: Any, workers: int | None, selection: Selection | None
) -> Any:
    """The exact result; of masked operands it and its flags."""
    if operands.field is not None:
        return _run_field(operands, options, way, output, workers, selection)
    if way.scattered:
        return run_scatter(operands, options, way, output, workers, selection)
    assert operands.weights is not None
    kernel = operands.weights
    if way.flipped:
        kernel, options = np.flip(kernel), changed(options, origin=flipped_origin(options.origin, kernel.shape))
    elif operands.complex_weights:
        kernel = kernel.conj()
    return _run_kernel(replace(operands, weights=kernel), options, output, workers, selection)


def _refuse_nan(operands: Operands, options: Options) -> None:
    """Samples that do not count may be NaN."""
    if holds_nan(operands.array):
        there = counted(operands, options)
        if there is None or np.isnan(operands.array).any(where=there):
            raise nan_found("input")
    if operands.weights is not None and holds_nan(operands.weights):
        raise nan_found("weights")
    if operands.field is not None:
        refuse_nan_in_field(operands.field, operands.field.bound(operands.extents))


def _run_field(
    operands: Operands, options: Options, way: Way, output: Any, workers: int | None, selection: Selection | None
) -> Any:
    """A kernel for every pixel; where its function cannot be traced, the kernels are written out by NumPy."""
    run: Callable[..., Any] = run_scatter if way.scattered else run_gather
    if operands.masked and not way.scattered:
        output = (output, None)
    traced = changed(options, method="traced") if options.method == "auto" else options
    try:
        return run(operands, traced, way, output, workers, selection)
    except TracingError as error:
        if options.method == "traced":
            raise
        if options.method == "auto":
            warn_of_numpy(error)
    return run(operands, traced, way, output, workers, selection, written=True)


def _run_kernel(
    operands: Operands, options: Options, output: Any, workers: int | None, selection: Selection | None
) -> Any:
    """One kernel for all pixels, gathered."""
    function = _products(operands.complex_input, operands.complex_weights, operands.finish(options))
    weights = operands.weights
    assert weights is not None
    kernels = [weights.real, weights.imag] if operands.complex_weights else [weights]
    parts: list[Any] = [KernelArgument(np.ascontiguousarray(k, operands.inner)) for k in kernels]
    targets = (output, None) if operands.masked else output
    return run_parts(operands, options, function, parts, targets, workers, selection=selection)


def _products(complex_input: bool, complex_weights: bool, finish: Finish) -> Callable[..., Any]:
    """The function of windows and kernels; complex ones come as two arguments, and so does a complex result."""
    if not complex_input and not complex_weights:
        return product_sum if finish.plain else kept_function(_finished_sum, finish=finish)
    return kept_function(_complex_sum, windows=1 + complex_input, finish=finish)


def _finished_sum(w: Any, k: Any, finish: Finish) -> Any:
    return finished([np.sum(w * k)], w, (k, None), None, finish)


def _complex_sum(*parts: Any, windows: int, finish: Finish) -> Any:
    """Two parts of one of the factors at least."""
    x, k = (*parts[:windows], None)[:2], (*parts[windows:], None)[:2]
    return finished(complex_sum(x, k), x[0], k, None, finish)
