"""What `correlate` and `convolve` run: one kernel for all pixels, a kernel field, gathered or scattered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array, KernelArgument
from kernelscape.api.fields import Way, complex_quotient, complex_sum, is_sound
from kernelscape.api.gather import run_gather
from kernelscape.api.operands import Operands, flipped_origin, run_parts
from kernelscape.api.options import Options, changed, not_yet
from kernelscape.api.scatter import run_scatter
from kernelscape.api.signatures import stencil_of
from kernelscape.trace import valid


def run_linear(
    operands: Operands, options: Options, way: Way, *, output: Any, workers: int | None, progress: Any
) -> Array:
    """The sums of products of windows and kernels; `options` have the origin of an unflipped kernel."""
    if progress is not None:
        raise not_yet("progress")
    if way.scattered:
        return run_scatter(operands, options, way, run_linear, output, workers)
    if operands.field is not None:
        return run_gather(operands, options, way, output, workers)
    assert operands.weights is not None
    kernel = operands.weights
    if way.flipped:
        kernel, options = np.flip(kernel), changed(options, origin=flipped_origin(options.origin, kernel.shape))
    elif operands.complex_weights:
        kernel = kernel.conj()
    return _run_kernel(replace(operands, weights=kernel), options, output, workers)


def _run_kernel(operands: Operands, options: Options, output: Any, workers: int | None) -> Array:
    """One kernel for all pixels, gathered."""
    function = _products(operands.complex_input, operands.complex_weights, operands.normalize, options.invalid)
    made = stencil_of(function, options)
    weights = operands.weights
    assert weights is not None
    kernels = [weights.real, weights.imag] if operands.complex_weights else [weights]
    parts: list[Any] = [KernelArgument(np.ascontiguousarray(k, operands.inner)) for k in kernels]
    return run_parts(operands, options, made, parts, output, workers)


@functools.lru_cache(64)
def _products(complex_input: bool, complex_weights: bool, normalize: bool, invalid: float) -> Callable[..., Any]:
    """The function of windows and kernels; complex ones come as two arguments, and so does a complex result."""
    if not complex_input and not complex_weights:
        return functools.partial(_normalized_sum, invalid=invalid) if normalize else _sum

    def products(*parts: Any) -> Any:
        x = parts[:2] if complex_input else (parts[0], None)
        k = parts[-2:] if complex_weights else (parts[-1], None)
        total = complex_sum(x, k)
        return complex_quotient(total, x[0], k, invalid) if normalize else total

    return products


def _sum(w: Any, k: Any) -> Any:
    return np.sum(w * k)


def _normalized_sum(w: Any, k: Any, invalid: float) -> Any:
    there = np.where(valid(w), k, np.zeros((), k.dtype))
    total = np.sum(there)
    return np.where(is_sound(np.abs(total), np.sum(np.abs(there))), np.sum(w * k) / total, invalid)
