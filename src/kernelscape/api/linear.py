"""`correlate` and `convolve`: sums of products of windows and weights.

Conventions are SciPy's: the centre of a window of k samples is ``k // 2 + origin``, and a convolution is the
correlation with the flipped kernel about the same centre. Both are functions of windows like any other; complex
numbers go through as real and imaginary parts, in one pass.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Never

import numpy as np
from numpy.typing import ArrayLike

from kernelscape.api.arguments import Array, KernelArgument, WindowArgument, as_array
from kernelscape.api.options import Options, dtype_of, native, not_yet, options_of, refuse_unknown, with_known_keywords
from kernelscape.api.results import allocate
from kernelscape.api.signatures import stencil_of
from kernelscape.errors import ArgumentError, ArgumentTypeError, unknown_name
from kernelscape.expression import DType
from kernelscape.geometry import canonical_centre
from kernelscape.trace import valid

FORMS = ("gather", "scatter")
NOISE = 16
"""A sum of weights below this many epsilons of the sum of their magnitudes is rounding noise."""
_Integers = int | Sequence[int]


@with_known_keywords
def correlate(
    input: ArrayLike,
    weights: ArrayLike,
    *,
    form: str = "gather",
    normalize: bool | str = False,
    min_weight: float = 0.0,
    accumulate: Any = None,
    mode: str | Sequence[str] = "reflect",
    cval: complex = 0.0,
    origin: _Integers = 0,
    stride: _Integers = 1,
    dilation: _Integers = 1,
    padding: Any = "same",
    axes: _Integers | None = None,
    where: Any = None,
    nan_policy: str = "propagate",
    min_count: int = 1,
    invalid: float = math.nan,
    at: Any = None,
    otherwise: Any = "input",
    dtype: Any = None,
    output: Any = None,
    method: str = "auto",
    tol: float | None = None,
    workers: int | None = None,
    progress: Callable[[float], object] | None = None,
    **unknown: Never,
) -> Array:
    """Correlate an array with a kernel: ``y[p] = sum of conj(weights[i]) * x[p + i]``, i counted from the centre.

    Parameters
    ----------
    input : array_like
        Bool, integers, floats or complex numbers.
    weights : array_like
        The kernel, with one axis for each window axis.
    form : {"gather"}
        ``"scatter"`` is not supported yet.
    normalize : bool
        Divide by the sum of the weights of the valid samples; the result is invalid where that sum is rounding noise
        (``<= 16 eps`` of the sum of their magnitudes). Integers then give float64. ``"valid"`` is not supported yet.
    min_weight : float
        Not supported yet.
    accumulate : dtype, optional
        In which products are made and added, where it is wider than the result, which keeps its dtype.
    mode, cval, origin, stride, dilation, padding, axes, where, nan_policy, min_count, invalid, at, otherwise
        As in `apply`; the size of the windows is the shape of the weights.
    dtype : dtype, optional
        To which the input is converted as it is loaded; what is said below of the input's dtype holds for this one.
    output, method, tol, workers, progress
        As in `apply`.

    Returns
    -------
    array
        A floating input keeps its dtype; integers with floating weights give ``numpy.result_type``; integers with
        integers give the dtype of ``numpy.sum``; complex numbers have the precision of a floating input. float16 is
        computed in float32.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError, NotYetSupportedError
        Before anything is computed.

    See Also
    --------
    scipy.ndimage.correlate : the same, without `stride`, `dilation`, `padding` and `normalize`.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.correlate(np.array([0.0, 0.0, 1.0, 0.0, 0.0]), [1, 2, 3])
    array([0., 3., 2., 1., 0.])
    """
    if unknown:
        refuse_unknown(correlate, unknown)
    operands = _operands(input, weights, (form, normalize, min_weight), accumulate, dtype)
    options = options_of(
        None, None, mode, cval, origin, stride, dilation, padding, axes, where, nan_policy, min_count, invalid, at,
        otherwise, operands.loaded, None, method, tol,
    )  # fmt: skip
    weights = operands.weights
    conjugate = weights.conj() if weights.dtype.kind == "c" else weights
    return run_products(
        replace(operands, weights=conjugate), options, output=output, workers=workers, progress=progress
    )


@with_known_keywords
def convolve(
    input: ArrayLike,
    weights: ArrayLike,
    *,
    form: str = "gather",
    normalize: bool | str = False,
    min_weight: float = 0.0,
    accumulate: Any = None,
    mode: str | Sequence[str] = "reflect",
    cval: complex = 0.0,
    origin: _Integers = 0,
    stride: _Integers = 1,
    dilation: _Integers = 1,
    padding: Any = "same",
    axes: _Integers | None = None,
    where: Any = None,
    nan_policy: str = "propagate",
    min_count: int = 1,
    invalid: float = math.nan,
    at: Any = None,
    otherwise: Any = "input",
    dtype: Any = None,
    output: Any = None,
    method: str = "auto",
    tol: float | None = None,
    workers: int | None = None,
    progress: Callable[[float], object] | None = None,
    **unknown: Never,
) -> Array:
    """Convolve an array with a kernel: ``y[p] = sum of weights[i] * x[p - i]``, i counted from the centre.

    Parameters
    ----------
    input : array_like
        Bool, integers, floats or complex numbers.
    weights : array_like
        The kernel, with one axis for each window axis; complex weights are taken as they are.
    form, normalize, min_weight, accumulate
        As in `correlate`.
    mode, cval, origin, stride, dilation, padding, axes, where, nan_policy, min_count, invalid, at, otherwise
        As in `correlate`.
    dtype, output, method, tol, workers, progress
        As in `correlate`.

    Returns
    -------
    array
        Of the same dtype as the result of `correlate`.

    Raises
    ------
    ArgumentError, ArgumentTypeError, ShapeError, NotYetSupportedError
        Before anything is computed.

    See Also
    --------
    scipy.ndimage.convolve : the same, without `stride`, `dilation`, `padding` and `normalize`.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.convolve(np.array([0.0, 0.0, 1.0, 0.0, 0.0]), [1, 2, 3])
    array([0., 1., 2., 3., 0.])
    """
    if unknown:
        refuse_unknown(convolve, unknown)
    operands = _operands(input, weights, (form, normalize, min_weight), accumulate, dtype)
    options = options_of(
        None, None, mode, cval, _flipped_origin(origin, operands.weights.shape), stride, dilation, padding, axes, where,
        nan_policy, min_count, invalid, at, otherwise, operands.loaded, None, method, tol,
    )  # fmt: skip
    flipped = np.flip(operands.weights)
    return run_products(replace(operands, weights=flipped), options, output=output, workers=workers, progress=progress)


def _flipped_origin(origin: Any, sizes: tuple[int, ...]) -> Any:
    """The origin of the flipped kernel, which has the same anchor; 0 stays 0 for odd sizes."""
    centres = canonical_centre(origin, sizes)
    moved = tuple(k - 1 - c - k // 2 for c, k in zip(centres, sizes, strict=True))
    return moved if any(moved) else 0


# -- operands ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Operands:
    """Checked arrays; windows are loaded as `loaded`, real numbers computed in `inner`, and results have `result`."""

    array: Array
    weights: Array
    normalize: bool
    result: DType
    inner: DType
    loaded: DType

    @property
    def complex_input(self) -> bool:
        return self.array.dtype.kind == "c"

    @property
    def complex_weights(self) -> bool:
        return self.weights.dtype.kind == "c"


def _operands(
    input: ArrayLike, weights: ArrayLike, words: tuple[Any, Any, Any], accumulate: Any, dtype: Any
) -> _Operands:
    normalize = _checked_words(*words)
    array, kernel = as_array(input), as_array(weights)
    if kernel.size == 0:
        raise ArgumentError(f"weights must not be empty; got an array of shape {kernel.shape}.")
    if dtype is not None:
        array, dtype = _as_dtype(array, native(dtype_of("dtype", dtype)))
    for what, found in (("input", array.dtype), ("weights", kernel.dtype)):
        if found.itemsize > (16 if found.kind == "c" else 8):
            raise ArgumentTypeError(
                f"{what} must hold numbers of up to 64 bits (complex: 128); got dtype {found}. Convert it: "
                f"{what}.astype({'complex' if found.kind == 'c' else 'float'})."
            )
    seen = array.dtype if dtype is None else dtype
    result = _result_dtype(seen, kernel.dtype, normalize)
    inner = np.dtype(np.float32) if result == np.float16 else _real(result)
    if accumulate is not None:
        inner = np.result_type(inner, _accumulator(accumulate))
    return _Operands(array, kernel, normalize, result, inner, inner if dtype is None else _real(dtype))


def _as_dtype(array: Array, dtype: DType) -> tuple[Array, DType]:
    """An input that is seen as `dtype`: parts are converted as they are loaded; of a real input there is one."""
    if array.dtype.kind == "c" and dtype.kind != "c":
        raise ArgumentTypeError(
            f"dtype={dtype} would drop the imaginary part of an input of dtype {array.dtype}; expected a complex "
            "dtype, or hand over input.real."
        )
    if dtype.kind not in "biufc":
        raise ArgumentTypeError(f"dtype must be bool, an integer, a float or a complex dtype; got {dtype}.")
    return array, dtype


def _checked_words(form: Any, normalize: Any, min_weight: Any) -> bool:
    if form not in FORMS:
        raise unknown_name("form", form, FORMS)
    planned = {
        "form='scatter'": form == "scatter",
        "normalize='valid'": isinstance(normalize, str) and normalize == "valid",
        "min_weight": min_weight != 0,
    }
    for name, asked in planned.items():
        if asked:
            raise not_yet(name)
    if not isinstance(normalize, bool | np.bool_):
        raise ArgumentTypeError(f"normalize must be True or False; got {normalize!r}.")
    return bool(normalize)


def _real(dtype: DType) -> DType:
    """The dtype of the parts of a complex number; a real dtype as it is."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def _result_dtype(input: DType, weights: DType, normalize: bool) -> DType:
    common: DType = np.result_type(input, weights)
    if common.kind == "c":
        return np.result_type(input, np.complex64) if input.kind in "fc" else common
    if input.kind == "f":
        return native(input)
    if weights.kind == "f":
        return common
    return np.dtype(np.float64) if normalize else np.sum(np.zeros(1, common)).dtype


def _accumulator(given: Any) -> DType:
    found = dtype_of("accumulate", given)
    if found.kind not in "iuf" or found.itemsize > 8:
        raise ArgumentTypeError(f"accumulate must be an integer dtype, or a float dtype of up to 64 bits; got {found}.")
    return found


# -- functions of windows ---------------------------------------------------------------------------------------------


def run_products(operands: _Operands, options: Options, **call: Any) -> Array:
    """The sums of products of windows and kernels."""
    function = _products(operands.complex_input, operands.complex_weights, operands.normalize, options.invalid)
    made = stencil_of(function, options)
    weights = operands.weights
    kernels = [weights.real, weights.imag] if operands.complex_weights else [weights]
    parts: list[Any] = [KernelArgument(np.ascontiguousarray(k, operands.inner)) for k in kernels]
    output = call.pop("output")
    if operands.result.kind != "c":
        if output is None and operands.inner != operands.result:
            output = operands.result
        sums: Array = made(operands.array, *parts, output=output, **call)
        return sums
    parts = [*_input_parts(operands, options.cval), *parts]
    whole = replace(made.prepared_for(parts).shared.results[0], dtype=operands.result)
    (result,) = allocate([whole], output)
    if operands.complex_input or operands.complex_weights:
        made(*parts, output=(result.real, result.imag), **call)
    else:
        made(*parts, output=result.real, **call)
        result.imag = 0
    return result


def _input_parts(operands: _Operands, cval: Any) -> list[Any]:
    array = operands.array
    if not operands.complex_input:
        return [array]
    if isinstance(cval, str) or not np.isscalar(cval):
        raise ArgumentTypeError(f"cval must be a number; got {cval!r}.")
    outside = complex(cval)  # type: ignore[arg-type]  # a scalar that is no string is a number
    return [WindowArgument(array.real, cval=outside.real), WindowArgument(array.imag, cval=outside.imag)]


@functools.lru_cache(64)
def _products(complex_input: bool, complex_weights: bool, normalize: bool, invalid: float) -> Callable[..., Any]:
    """The function of windows and kernels; complex ones come as two arguments, and so does a complex result."""
    if not complex_input and not complex_weights:
        return functools.partial(_normalized_sum, invalid=invalid) if normalize else _sum

    def products(*parts: Any) -> Any:
        x = parts[:2] if complex_input else (parts[0], None)
        k = parts[-2:] if complex_weights else (parts[-1], None)
        total = _complex_sum(x, k)
        return _quotient(total, x[0], k, invalid) if normalize else total

    return products


def _sum(w: Any, k: Any) -> Any:
    return np.sum(w * k)


def _complex_sum(x: Sequence[Any], k: Sequence[Any]) -> tuple[Any, Any]:
    if k[1] is None:
        return np.sum(x[0] * k[0]), np.sum(x[1] * k[0])
    if x[1] is None:
        return np.sum(x[0] * k[0]), np.sum(x[0] * k[1])
    return np.sum(x[0] * k[0]) - np.sum(x[1] * k[1]), np.sum(x[0] * k[1]) + np.sum(x[1] * k[0])


def _normalized_sum(w: Any, k: Any, invalid: float) -> Any:
    there = np.where(valid(w), k, np.zeros((), k.dtype))
    total = np.sum(there)
    return np.where(_is_sound(np.abs(total), np.sum(np.abs(there))), np.sum(w * k) / total, invalid)


def _quotient(total: Sequence[Any], w: Any, k: Sequence[Any], invalid: float) -> tuple[Any, Any]:
    """A complex sum divided by the sum of the weights of the valid samples."""
    zero = np.zeros((), k[0].dtype)
    real = np.where(valid(w), k[0], zero)
    imaginary = np.zeros((), k[0].dtype) if k[1] is None else np.where(valid(w), k[1], zero)
    c, d = np.sum(real), np.sum(imaginary)
    sound = _is_sound(np.hypot(c, d), np.sum(np.hypot(real, imaginary)))
    square, (a, b) = c * c + d * d, total
    return np.where(sound, (a * c + b * d) / square, invalid), np.where(sound, (b * c - a * d) / square, invalid)


def _is_sound(total: Any, magnitude: Any) -> Any:
    """Whether a sum of weights is more than rounding noise."""
    return total > NOISE * np.finfo(total.dtype).eps * magnitude
