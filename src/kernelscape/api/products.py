"""What `correlate` and `convolve` run: one kernel for all pixels, a kernel field, gathered or scattered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array, KernelArgument
from kernelscape.api.fields import Way, complex_quotient, complex_sum, is_sound, product_sum, refuse_nan_in_field
from kernelscape.api.gather import run_gather
from kernelscape.api.operands import Operands, flipped_origin, run_parts
from kernelscape.api.options import Options, changed, nan_found, not_yet
from kernelscape.api.scatter import run_scatter
from kernelscape.api.selection import Selection
from kernelscape.api.stencils import warn_of_numpy
from kernelscape.errors import TracingError
from kernelscape.kernels.checks import holds_nan
from kernelscape.trace import valid


def run_linear(
    operands: Operands, options: Options, way: Way, *, output: Any, workers: int | None, progress: Any,
    selection: Selection | None = None,
) -> Array:  # fmt: skip
    """The sums of products of windows and kernels; `options` have the origin of an unflipped kernel."""
    if progress is not None:
        raise not_yet("progress")
    if options.nan_policy == "raise":
        _refuse_nan(operands)
        options = changed(options, nan_policy="propagate")
    if operands.field is not None:
        if options.tol is not None and selection is None:
            from kernelscape.api.approximate import run_approximately  # which runs filters itself

            found = run_approximately(operands, options, way, output, workers)
            if found is not None:
                return found
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


def _refuse_nan(operands: Operands) -> None:
    for name, array in (("input", operands.array), ("weights", operands.weights)):
        if array is not None and holds_nan(array):
            raise nan_found(name)
    if operands.field is not None:
        refuse_nan_in_field(operands.field, operands.field.bound(operands.extents))


def _run_field(
    operands: Operands, options: Options, way: Way, output: Any, workers: int | None, selection: Selection | None
) -> Array:
    """A kernel for every pixel; where its function cannot be traced, the kernels are written out by NumPy."""
    run = run_scatter if way.scattered else run_gather
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
) -> Array:
    """One kernel for all pixels, gathered."""
    function = _products(operands.complex_input, operands.complex_weights, operands.normalize, options.invalid)
    weights = operands.weights
    assert weights is not None
    kernels = [weights.real, weights.imag] if operands.complex_weights else [weights]
    parts: list[Any] = [KernelArgument(np.ascontiguousarray(k, operands.inner)) for k in kernels]
    return run_parts(operands, options, function, parts, output, workers, selection=selection)


@functools.lru_cache(64)
def _products(complex_input: bool, complex_weights: bool, normalize: bool, invalid: float) -> Callable[..., Any]:
    """The function of windows and kernels; complex ones come as two arguments, and so does a complex result."""
    if not complex_input and not complex_weights:
        return functools.partial(_normalized_sum, invalid=invalid) if normalize else product_sum

    def products(*parts: Any) -> Any:
        x = parts[:2] if complex_input else (parts[0], None)
        k = parts[-2:] if complex_weights else (parts[-1], None)
        total = complex_sum(x, k)
        return complex_quotient(total, x[0], k, invalid) if normalize else total

    return products


def _normalized_sum(w: Any, k: Any, invalid: float) -> Any:
    there = np.where(valid(w), k, np.zeros((), k.dtype))
    total = np.sum(there)
    return np.where(is_sound(np.abs(total), np.sum(np.abs(there))), np.sum(w * k) / total, invalid)
