"""A traced function, evaluated by its definition, against the same function called by NumPy on each window.

The windows are those that lie inside the arrays; validity has its own tests. What is compared: dtype (exactly), shape,
NaN and infinities, and values: integers exactly, floats within rounding, because the definition adds in another order.
"""

import numpy as np
import pytest

from kernelscape.geometry import Input, Job, OutputAxis, WindowAxis
from kernelscape.reference import evaluate
from kernelscape.trace import Parameter, trace
from kernelscape.verification import verify

TOLERANCE = {"float16": 2e-2, "float32": 3e-5, "float64": 1e-11}


def values(dtype, shape, seed=0):
    """Reproducible numbers that exercise a dtype: negatives, repeats, and the upper half of unsigned ranges."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind == "u":
        return rng.integers(0, 200, shape).astype(dtype)
    if dtype.kind == "i":
        return rng.integers(-100, 100, shape).astype(dtype)
    return np.round(rng.normal(0, 3, shape), 2).astype(dtype)


def traced_results(function, arrays, size=(3, 3), *, kernels=(), pixels=(), mode=None, missing=False, kwargs=None):
    """Give the trace, and the results of all windows by the definition."""
    extents = arrays[0].shape
    parameters = [Parameter.window(i, tuple(size), a.dtype) for i, a in enumerate(arrays)]
    parameters += [Parameter.kernel(i, k.shape, k.dtype) for i, k in enumerate(kernels)]
    parameters += [Parameter.pixel(len(arrays) + i, p.dtype) for i, p in enumerate(pixels)]
    result = trace(function, parameters, kwargs, missing=missing, input_shapes=[a.shape for a in arrays])
    verify(result.outputs)
    centre = [k // 2 for k in size]
    axes = tuple(WindowAxis(n, k, 1, c, mode or "nearest") for n, k, c in zip(extents, size, centre, strict=True))
    point = tuple(WindowAxis(n, 1, 1, 0, "nearest") for n in extents)
    inside = [OutputAxis(c, 1, n - k + 1) for n, k, c in zip(extents, size, centre, strict=True)]
    whole = [OutputAxis(0, 1, n) for n in extents]
    inputs = tuple(Input(a.dtype, axes) for a in arrays) + tuple(Input(p.dtype, point) for p in pixels)
    grid = tuple(whole if mode else inside)
    job = Job(result.outputs, tuple(n.dtype for n in result.outputs), inputs, (), grid)
    arguments = [*kernels, *(c.value for c in result.arguments[len(kernels) :])]
    return result, evaluate(job, [*arrays, *pixels], arguments)


def numpy_results(function, arrays, size=(3, 3), *, kernels=(), pixels=(), kwargs=None):
    """The same by calling the function on a copy of each window."""
    counts = tuple(n - k + 1 for n, k in zip(arrays[0].shape, size, strict=True))
    rows = []
    with np.errstate(all="ignore"):
        for position in np.ndindex(*counts):
            windows = [a[tuple(slice(p, p + k) for p, k in zip(position, size, strict=True))].copy() for a in arrays]
            maps = [m[tuple(p + k // 2 for p, k in zip(position, size, strict=True))] for m in pixels]
            result = function(*windows, *(k.copy() for k in kernels), *maps, **(kwargs or {}))
            rows.append(result if isinstance(result, tuple) else (result,))
    columns = zip(*rows, strict=True)
    return [np.stack([np.asarray(x) for x in c]).reshape(counts + np.asarray(c[0]).shape) for c in columns]


def assert_as_numpy(function, arrays, size=(3, 3), **options):
    """The traced function gives what NumPy gives, in NumPy's dtype."""
    __tracebackhide__ = True
    wanted = numpy_results(function, arrays, size, **options)
    trace_, got = traced_results(function, arrays, size, **options)
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert_close(a, b, narrowest=min((x.dtype for x in arrays if x.dtype.kind == "f"), default=b.dtype))
    return trace_


def check(function, dtype, *, arrays=1, shape=(4, 5), size=(3, 3), positive=False):
    """As NumPy on reproducible numbers, or refused with the builtin exception that NumPy raises."""
    __tracebackhide__ = True
    inputs = [values(dtype, shape, seed) for seed in range(arrays)]
    if positive:
        inputs = [np.abs(a) + np.ones((), a.dtype) if a.dtype != bool else a for a in inputs]
    check_arrays(function, inputs, size)


def check_arrays(function, arrays, size=(3, 3)):
    """As NumPy on these arrays, or refused with the builtin exception that NumPy raises."""
    __tracebackhide__ = True
    error = refused_by_numpy(function, arrays, size)
    if error is None:
        assert_as_numpy(function, arrays, size)
        return
    with pytest.raises(error):
        traced_results(function, arrays, size)


def refused_by_numpy(function, arrays, size):
    """The exception that NumPy raises for windows of these dtypes, if any."""
    try:
        function(*(a[: size[0], : size[1]].copy() for a in arrays))
    except (TypeError, ValueError, OverflowError) as error:
        return next(kind for kind in (TypeError, ValueError, OverflowError) if isinstance(error, kind))
    return None


def assert_close(actual, expected, narrowest=None):
    """Same dtype and shape; integers equal; floats within rounding of the narrowest float that took part."""
    __tracebackhide__ = True
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    if actual.dtype.kind != "f":
        np.testing.assert_array_equal(actual, expected)
        return
    dtypes = [expected.dtype] + ([narrowest] if narrowest is not None and narrowest.kind == "f" else [])
    tolerance = max(TOLERANCE[d.name] for d in dtypes)
    scale = np.max(np.abs(expected), where=np.isfinite(expected), initial=0.0)
    np.testing.assert_allclose(
        actual.astype(np.float64), expected.astype(np.float64), rtol=tolerance, atol=tolerance * max(float(scale), 1e-3)
    )
