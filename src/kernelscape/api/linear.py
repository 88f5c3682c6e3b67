"""`correlate` and `convolve`: sums of products of windows and weights.

Conventions are SciPy's: the centre of a window of k samples is ``k // 2 + origin``, and a convolution is the correlation with
the flipped kernel about the same centre.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kernelscape.api.arguments import Array, KernelArgument, WindowArgument, as_array
from kernelscape.api.options import Options
from kernelscape.api.stencil import make_options, stencil
from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError, ShapeError, unknown_name
from kernelscape.trace import valid

FORMS = ("gather", "scatter")
EPSILONS = 16


def correlate(
    input: ArrayLike,
    weights: ArrayLike,
    *,
    form: str = "gather",
    normalize: bool | str = False,
    min_weight: float = 0.0,
    accumulate: Any = None,
    output: Any = None,
    workers: int | None = None,
    progress: Callable[[float], object] | None = None,
    **options: Any,
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
        Divide by the sum of the weights of the valid samples; the result is invalid where that sum is rounding noise.
    min_weight : float
        Not supported yet.
    accumulate : dtype, optional
        In which the sum is made. The result keeps its dtype.
    output, workers, mode, cval, origin, stride, dilation, padding, axes, min_count, invalid, ...
        As in `apply`; the size of the windows is the shape of the weights.

    Returns
    -------
    array
        A floating input keeps its dtype; integers with floating weights give ``numpy.result_type``; integers with integers
        give the dtype of ``numpy.sum``.

    See Also
    --------
    scipy.ndimage.correlate : the same, without `stride`, `dilation`, `padding` and `axes`.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.correlate(np.array([0.0, 0.0, 1.0, 0.0, 0.0]), [1, 2, 3])
    array([0., 3., 2., 1., 0.])
    """
    call = _Call(input, weights, form, normalize, min_weight, accumulate, options)
    return call.run(np.conj(call.weights), output=output, workers=workers, progress=progress)


def convolve(
    input: ArrayLike,
    weights: ArrayLike,
    *,
    form: str = "gather",
    normalize: bool | str = False,
    min_weight: float = 0.0,
    accumulate: Any = None,
    output: Any = None,
    workers: int | None = None,
    progress: Callable[[float], object] | None = None,
    **options: Any,
) -> Array:
    """Convolve an array with a kernel: ``y[p] = sum of weights[i] * x[p - i]``, i counted from the centre.

    Parameters are those of `correlate`.

    See Also
    --------
    scipy.ndimage.convolve : the same, without `stride`, `dilation`, `padding` and `axes`.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> ks.convolve(np.array([0.0, 0.0, 1.0, 0.0, 0.0]), [1, 2, 3])
    array([0., 1., 2., 3., 0.])
    """
    call = _Call(input, weights, form, normalize, min_weight, accumulate, options)
    call.flip()
    return call.run(call.weights, output=output, workers=workers, progress=progress)


class _Call:
    """One call of `correlate` or `convolve`, with its arguments checked."""

    def __init__(
        self,
        input: ArrayLike,
        weights: ArrayLike,
        form: str,
        normalize: bool | str,
        min_weight: float,
        accumulate: Any,
        options: dict[str, Any],
    ) -> None:
        _check(form, normalize, min_weight)
        for name in ("size", "footprint", "dtype", "kwargs"):
            if options.get(name) is not None:
                raise ArgumentError(f"{name} is given by the weights and the input here; leave it out.")
        self.input, self.weights = as_array(input), as_array(weights)
        self.normalize, self.options = bool(normalize), dict(options)
        make_options(self.options)
        if self.weights.size == 0:
            raise ArgumentError(f"weights must not be empty; got an array of shape {self.weights.shape}.")
        for array, what in ((self.input, "input"), (self.weights, "weights")):
            if array.dtype.kind not in "biufc" or array.dtype.itemsize > (16 if array.dtype.kind == "c" else 8):
                raise ArgumentTypeError(f"{what} must be an array of numbers; got dtype {array.dtype}.")
        self._check_axes()
        self.result = _result_dtype(self.input.dtype, self.weights.dtype)
        self.inner = self.result if accumulate is None else np.result_type(self.result, _wider(accumulate))

    def _check_axes(self) -> None:
        ndim, axes = self.weights.ndim, self.options.get("axes")
        count = self.input.ndim if axes is None else len(axes) if isinstance(axes, tuple | list) else 1
        if ndim == count:
            return
        advice = f" Name the window axes, for example axes={tuple(range(ndim))}." if ndim < self.input.ndim else ""
        raise ShapeError(
            f"The kernel has {ndim} axes (shape {self.weights.shape}) and there are {count} window axes in the array of "
            f"shape {self.input.shape}.{advice}"
        )

    def flip(self) -> None:
        """Turns the convolution into the correlation with the flipped kernel, about the same centre."""
        self.weights = np.flip(self.weights)
        origin = self.options.get("origin", 0)
        origins = list(origin) if isinstance(origin, tuple | list | np.ndarray) else [origin] * self.weights.ndim
        if len(origins) == self.weights.ndim and all(hasattr(o, "__index__") for o in origins):
            moved = [-int(o) - (1 - k % 2) for o, k in zip(origins, self.weights.shape, strict=True)]
            for o, k in zip(origins, self.weights.shape, strict=True):
                if not -(k // 2) <= o <= (k - 1) // 2:
                    raise ArgumentError(
                        f"origin must be in {-(k // 2)} .. {(k - 1) // 2} for a kernel of size {k}; got {origin!r}."
                    )
            self.options["origin"] = tuple(moved)

    def run(self, weights: Array, **call: Any) -> Array:
        if "c" in (self.input.dtype.kind, weights.dtype.kind):
            return self._complex(weights, **call)
        output = call.pop("output")
        return self._real(self.input, weights, self.result if output is None else output, **call)

    def _real(self, array: Array, weights: Array, output: Any, **call: Any) -> Array:
        function = _normalized_products if self.normalize else _sum_of_products
        inner = self.inner if self.inner.kind != "c" else np.dtype(f"f{self.inner.itemsize // 2}")
        kernel = KernelArgument(np.ascontiguousarray(weights, inner))
        made = _stencil(function, {**self.options, "dtype": inner, "size": weights.shape})
        result: Array = made(WindowArgument(array), kernel, output=output, **call)
        return result

    def _complex(self, weights: Array, **call: Any) -> Array:
        """Real and imaginary parts one by one."""
        output = call.pop("output")
        if self.normalize:
            raise NotYetSupportedError("normalize with complex numbers is not supported yet; divide the result yourself.")
        part = np.dtype(f"f{self.result.itemsize // 2}")

        def real(array: Array, kernel: Array) -> Array:
            return self._real(np.asarray(array), np.asarray(kernel), part, **call)

        x, k = self.input, weights
        re, im = real(x.real, k.real), 0
        if x.dtype.kind == "c" and k.dtype.kind == "c":
            re, im = re - real(x.imag, k.imag), real(x.real, k.imag) + real(x.imag, k.real)
        elif x.dtype.kind == "c":
            im = real(x.imag, k)
        else:
            im = real(x, k.imag)
        result = np.empty(re.shape, self.result)
        result.real, result.imag = re, im
        if output is None:
            return result
        target = np.empty(result.shape, output) if not isinstance(output, np.ndarray) else output
        if target.shape != result.shape or target.dtype.kind != "c":
            raise ShapeError(
                f"output must be complex and have shape {result.shape}; got {target.dtype} and {target.shape}."
            )
        target[...] = result
        return target


_kept: dict[Any, Any] = {}


def _stencil(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    key = (function, Options(**options).key)
    found = _kept.get(key)
    if found is None:
        if len(_kept) > 256:
            _kept.clear()
        found = _kept[key] = stencil(function, **options)
    return found


def _sum_of_products(w: Any, k: Any) -> Any:
    return np.sum(w * k)


def _normalized_products(w: Any, k: Any) -> Any:
    """Divided by the sum of the valid weights; NaN where that is rounding noise."""
    there = np.where(valid(w), k, np.zeros((), k.dtype))
    total = np.sum(there)
    noise = EPSILONS * np.finfo(k.dtype).eps * np.sum(np.abs(there))
    return np.where(np.abs(total) > noise, np.sum(w * k) / total, np.nan)


def _check(form: str, normalize: bool | str, min_weight: float) -> None:
    if form not in FORMS:
        raise unknown_name("form", form, FORMS)
    planned = {"form='scatter'": form == "scatter", "normalize='valid'": normalize == "valid", "min_weight": min_weight != 0}
    for name, asked in planned.items():
        if asked:
            raise NotYetSupportedError(f"{name} is not supported yet; leave it out.")
    if not isinstance(normalize, bool | np.bool_):
        raise ArgumentTypeError(f"normalize must be True or False; got {normalize!r}.")


def _result_dtype(input: np.dtype[Any], weights: np.dtype[Any]) -> np.dtype[Any]:
    if input.kind == "c" or weights.kind == "c":
        return np.result_type(np.complex64 if np.result_type(input, weights).itemsize <= 8 else np.complex128)
    if input.kind == "f":
        return input.newbyteorder("=")
    if weights.kind == "f":
        return np.result_type(input, weights)
    return np.sum(np.zeros(1, np.result_type(input, weights))).dtype


def _wider(accumulate: Any) -> np.dtype[Any]:
    try:
        found = np.dtype(accumulate)
    except TypeError:
        raise ArgumentTypeError(f"accumulate must be a dtype; got {accumulate!r}.") from None
    if found.kind not in "iuf":
        raise ArgumentTypeError(f"accumulate must be an integer or float dtype; got {found}.")
    return found
