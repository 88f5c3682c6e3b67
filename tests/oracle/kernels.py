"""Kernels of plain NumPy, and fields traced and evaluated by their definition, for the tests of fields."""

import numpy as np

from kernelscape.geometry import Input, Job, OutputAxis, WindowAxis
from kernelscape.kernels.field import Coordinate, Map, Table, offsets_of
from kernelscape.reference import evaluate
from kernelscape.trace import Parameter, trace
from kernelscape.verification import verify

# -- kernels written out ---------------------------------------------------------------------------------------------


def offsets(size):
    return np.meshgrid(*(np.arange(k) - k // 2 for k in size), indexing="ij")


def unit_sum(weights):
    return weights / weights.sum()


def gaussian(sigmas, angle=0.0, *, size=None, own=None, normalize=True):
    """One kernel, of standard deviations along each axis before it is turned; `own` is its radius along each axis."""
    distances = np.stack(offsets(size), -1).astype(float)
    turn = np.eye(len(sigmas))
    if angle:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    along = distances @ turn  # coordinates along the axes of the kernel
    weights = np.ones(size)
    for a, sigma in enumerate(sigmas):
        on_axis = (abs(along[..., a]) < 1e-9).astype(float)
        weights *= np.exp(-0.5 * (along[..., a] / sigma) ** 2) if sigma else on_axis
    if own is not None:
        weights *= (abs(distances) <= own).all(-1)
    return unit_sum(weights) if normalize else weights


def radius_of(sigma, truncate=4.0):
    return int(truncate * float(sigma) + 0.5)


def assert_weights(actual, expected, tolerance=1e-12):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


# -- traced ----------------------------------------------------------------------------------------------------------


def combined(bound, offsets, values):
    """All that a bound field says of weights, as one array of the window's shape."""
    weights = bound.weights(offsets, *values)
    if bound.scale is not None:
        weights = weights * bound.scale(offsets, *values)
    if bound.takes_part is not None:
        weights = np.where(bound.takes_part(offsets, *values), weights, 0.0)
    return np.broadcast_to(weights, bound.size)


def computed_dtype(array, dtype):
    return np.dtype(dtype) if array.dtype.kind == "f" else array.dtype


def traced(bound, extents, dtype, function):
    """What a function of the offsets and the parts gives at each position, by the definition."""
    parameters, inputs, arrays, tables = [], [], [], []
    point = tuple(WindowAxis(n, 1, 1, 0, "nearest") for n in extents)
    for part in bound.parts:
        if isinstance(part, Map):
            parameters.append(Parameter.pixel(len(arrays), computed_dtype(part.array, dtype)))
            inputs.append(Input(parameters[-1].dtype, point))
            arrays.append(part.array)
        elif isinstance(part, Coordinate):
            parameters.append(Parameter.index(part.axis))
        else:
            assert isinstance(part, Table)
            parameters.append(Parameter.kernel(len(tables), part.array.shape, computed_dtype(part.array, dtype)))
            tables.append(part.array)
    distances = offsets_of(bound.size, tuple(k // 2 for k in bound.size), dtype)
    result = trace(lambda *values: function(distances, values), parameters)
    verify(result.outputs)
    dtypes = tuple(node.dtype for node in result.outputs)
    if not inputs:  # a job has an input
        inputs, arrays = [Input(np.dtype(np.uint8), point)], [np.zeros(extents, np.uint8)]
    job = Job(result.outputs, dtypes, tuple(inputs), (), tuple(OutputAxis(0, 1, n) for n in extents))
    return evaluate(job, arrays, [*tables, *(a.value for a in result.arguments[len(tables) :])])
