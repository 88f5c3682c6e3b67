"""What `correlate` and `convolve` run: one kernel for all pixels, a kernel field, gathered or scattered."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array, kernel_argument
from kernelscape.api.fields import Way, complex_sum, kept_function, product_sum, refuse_nan_in_field
from kernelscape.api.gather import run_gather
from kernelscape.api.operands import Operands, counted, flipped_origin, input_parts, run_parts, window_axes
from kernelscape.api.options import LINEAR_METHODS, Options, changed, nan_found, not_yet
from kernelscape.api.profiling import StencilPlan
from kernelscape.api.results import Result, allocate
from kernelscape.api.scatter import run_scatter
from kernelscape.api.selection import AtAnchors, Selection
from kernelscape.api.stencils import Stencil, stencil_of, warn_of_numpy
from kernelscape.api.validity import masked_array, shown_elsewhere
from kernelscape.api.weighing import Finish, finished
from kernelscape.errors import ArgumentError, TracingError
from kernelscape.kernels.checks import holds_nan
from kernelscape.plan import Plan


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
    if selection is not None and selection.asked is None:
        selection = replace(selection, asked=output is not None)
    if operands.rule.weighs:  # what the function writes in place of an invalid result, its dtype must hold
        allocate([Result((), operands.result, True, options.invalid)], None)
    if selection is not None and options.method in LINEAR_METHODS[1:]:
        raise ArgumentError(
            f"method={options.method!r} computes the whole filter, of which at= chooses outputs; leave out at and "
            "otherwise, or method."
        )
    inexact = options.tol is not None or options.method in LINEAR_METHODS[1:]
    if inexact and options.method != "numpy" and selection is None:
        from kernelscape.api.approximate import run_approximately  # which runs filters itself

        found = run_approximately(operands, options, way, output, workers)
        if found is not None:
            return found
    options = exactly(options)
    if operands.masked:
        if operands.result.kind in "biu" and not isinstance(options.invalid, int):
            # What is masked may hold anything, so that integers need no NaN.
            options = changed(options, invalid=0)
        result, flags = _run_masked(operands, options, way, output, workers, selection)
        masked: Array = masked_array(result, flags, options.invalid)
        return masked
    made: Array = _run(operands, options, way, output, workers, selection)
    if selection is not None and selection.has_weights and _marks_itself(operands, options, way):
        flags = _flags(operands, options, way, workers, selection.unweighted(), True)
        np.copyto(made, options.invalid, where=~flags, casting="unsafe")
    return made


def exactly(options: Options) -> Options:
    """The options for the exact method, which knows no other."""
    return changed(options, method="auto") if options.method in LINEAR_METHODS else options


def kernel_plan(operands: Operands, options: Options, way: Way) -> StencilPlan | None:
    """What one kernel for all pixels would run by the exact method, if that is one stage."""
    found = _kernel_call(operands, options, way)
    return None if found is None else found[0].plan(*found[1], output=found[2])


def kept_kernel_plan(operands: Operands, options: Options, way: Way) -> Plan | None:
    """The same, remembered, and without the call."""
    found = _kernel_call(operands, options, way)
    return None if found is None else found[0].kept_plan(found[1], found[2])


def _kernel_call(operands: Operands, options: Options, way: Way) -> tuple[Stencil, list[Any], Any] | None:
    """The stencil of one kernel for all pixels, its arguments and the dtype of its output."""
    if operands.weights is None or way.scattered or options.method == "numpy":
        return None
    own, kernel = turned(operands, exactly(options), way)
    operands = replace(operands, weights=kernel)
    function, parts = _function_of(operands, own)
    if operands.result.kind != "c":
        output = operands.result if operands.inner != operands.result and not operands.masked else None
        windows = [operands.window]
    else:
        output, windows = None, input_parts(operands, own.cval)
    return stencil_of(function, operands.unflagged(own)), [*windows, *parts], output


def turned(operands: Operands, options: Options, way: Way) -> tuple[Options, Array]:
    """The kernel as it is correlated with, and its origin."""
    kernel = operands.weights
    assert kernel is not None
    if way.flipped:
        return changed(options, origin=flipped_origin(options.origin, kernel.shape)), np.flip(kernel)
    return options, kernel.conj() if operands.complex_weights else kernel


def _run(
    operands: Operands, options: Options, way: Way, output: Any, workers: int | None, selection: Selection | None
) -> Any:
    """The exact result; of masked operands it and its flags."""
    if operands.field is not None:
        return _run_field(operands, options, way, output, workers, selection)
    if way.scattered:
        return run_scatter(operands, options, way, output, workers, selection)
    options, kernel = turned(operands, options, way)
    if kernel is not operands.weights:
        operands = replace(operands, weights=kernel)
    return _run_kernel(operands, options, output, workers, selection)


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
        if options.must_trace:
            raise
        if options.method == "auto":
            warn_of_numpy(error)
    return run(operands, traced, way, output, workers, selection, written=True)


def _run_kernel(
    operands: Operands, options: Options, output: Any, workers: int | None, selection: Selection | None
) -> Any:
    """One kernel for all pixels, gathered."""
    function, parts = _function_of(operands, options)
    output = (output, None) if operands.masked else output
    return run_parts(operands, options, function, parts, output, workers, selection=selection)


def _function_of(operands: Operands, options: Options) -> tuple[Callable[..., Any], list[Any]]:
    """The function of windows and kernels, and what it gets behind the windows."""
    weights, finish = operands.weights, operands.finish(options)
    assert weights is not None
    if finish.rule.weighs and not operands.complex_weights and bool((weights >= 0).all()):
        finish = finish._replace(rule=finish.rule._replace(positive=True))
    function = _products(operands.complex_input, operands.complex_weights, finish)
    kernels = [weights.real, weights.imag] if operands.complex_weights else [weights]
    parts: list[Any] = [kernel_argument(np.ascontiguousarray(k, operands.inner)) for k in kernels]
    return function, parts


# -- which results are valid, where some are wanted only ---------------------------------------------------------------


def _run_masked(
    operands: Operands, options: Options, way: Way, output: Any, workers: int | None, selection: Selection | None
) -> tuple[Array, Array]:
    """The result of masked operands and its flags.

    Elsewhere it is valid, unless what stands there is a sample that is masked; so is what is blended.
    """
    if selection is None:
        result, flags = _run(operands, options, way, output, workers, None)
        return result, flags
    elsewhere = selection.otherwise_for(0, 1)
    shown = shown_elsewhere(elsewhere, operands.own_mask)
    flagged = replace(selection, otherwise=(elsewhere, shown))
    if way.scattered or not selection.has_weights:
        result, flags = _run(operands, options, way, output, workers, flagged)
        return result, flags
    # Truth values cannot be blended.
    flags = _flags(operands, options, way, workers, selection.unweighted(), shown)
    if isinstance(shown, AtAnchors):
        there = _flags(operands, options, way, workers, selection.of_nothing(), shown)
        windowed = [axis in window_axes(operands, options) for axis in range(flags.ndim)]
        flags &= there | (selection.wanted(flags.shape, windowed) == 1)
    plain = replace(operands, masked=False)
    return _run(plain, operands.unflagged(options), way, output, workers, selection), flags


def _flags(
    operands: Operands, options: Options, way: Way, workers: int | None, selection: Selection, shown: AtAnchors | bool
) -> Array:
    """Which results of a gather are valid, for a selection without weights, and elsewhere what is shown."""
    chosen = replace(selection, otherwise=(0, shown))
    _, flags = _run(replace(operands, masked=True), options, way, None, workers, chosen)
    found: Array = flags
    return found


def _marks_itself(operands: Operands, options: Options, way: Way) -> bool:
    """Whether functions hand marks of invalid sums out as numbers, which would be blended."""
    return operands.rule.weighs and not way.scattered and not math.isnan(options.invalid)


# -- one kernel --------------------------------------------------------------------------------------------------------


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
