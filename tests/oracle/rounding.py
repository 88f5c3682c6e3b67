"""How far rounding may take a result from the definition: a bound for every output element, from the expression.

A backend may add in another order and in a narrower format than the definition, may fuse a product into a sum, and may
be some units in the last place off in elementary functions. Nothing else is free. So each node gets, beside its value,
a bound of the distance between the definition's value and a backend's:

* window samples, integers, orderings, selections and single operations of IEEE 754 on exact operands are exact (0),
  but for the sign of a zero that a minimum, a maximum or a rank of both zeros gives;
* a sum of n terms has ``(n + 1) eps sum|x|`` and the bounds of its terms;
* any other operator on inexact operands is evaluated at the corners of their intervals;
* a comparison that the bounds do not decide, a sum that may overflow on the way, a position or an integer that depends
  on inexact numbers: infinite, and such elements are not compared.

The bound of an element that does not exist is 0, unless it is infinite.
"""

import functools
import math
from itertools import product

import numpy as np

from kernelscape import expression as ex
from kernelscape.geometry import Job
from kernelscape.reference import interpreter
from kernelscape.reference.samples import Chunk, Samples, Value
from kernelscape.semantics import OPERATORS, convert, register_dtype

ULPS = 8
"""Units in the last place that an elementary function may be off; their own tests hold them to less."""

IEEE = {
    *("add", "subtract", "multiply", "divide", "sqrt", "absolute", "negative", "positive", "minimum", "maximum"),
    *("fmin", "fmax", "square", "floor", "ceil", "trunc", "rint", "sign", "copysign", "select", "cast", "heaviside"),
    *("isnan", "isinf", "isfinite", "signbit", "fabs", "real", "reciprocal", "fmod", "remainder", "floor_divide"),
    *("logical_and", "logical_or", "logical_xor", "logical_not", "nextafter", "spacing", "conjugate", "float_power"),
}
COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}


def bounds(job: Job, arrays, arguments=()):
    """For each output an array of bounds, of the result's shape."""
    nodes = list(ex.walk(job.outputs))
    grid = job.counts
    total = math.prod(grid)
    found = [np.zeros((total, *n.shape)) for n in job.outputs]
    samples = [Samples.of(job, i) for i in range(len(job.inputs))]
    footprint = sum(n.size for n in nodes) + sum(math.prod(i.window_shape) for i in job.inputs)
    step = max(1, 2**21 // max(footprint, 1))
    with np.errstate(all="ignore"):
        for start in range(0, total, step):
            coordinates = np.unravel_index(np.arange(start, min(start + step, total)), grid)
            chunk = Chunk(job, arrays, arguments, samples, coordinates)
            values, errors = {}, {}
            for node in nodes:
                children = [values[id(c)] for c in node.children]
                value = values[id(node)] = interpreter._MEANING[type(node)](node, children, chunk)
                errors[id(node)] = _error(node, value, children, [errors[id(c)] for c in node.children], values, chunk)
            enough = chunk.enough_samples()
            for node, result, dtype in zip(job.outputs, found, job.output_dtypes, strict=True):
                valid = values[id(node)].valid()
                if enough is not None:
                    valid = valid & enough.reshape(-1, *(1,) * node.ndim)
                stored = _stored(values[id(node)].data, errors[id(node)], valid, dtype)
                result[start : start + step] = 0 if stored is None else stored
    return [r.reshape(grid + n.shape) for n, r in zip(job.outputs, found, strict=True)]


def _error(node, value, children, errors, values, chunk):
    """The bound of one node's elements; None where all are exact."""
    rule = _RULES.get(type(node))
    if rule is None:
        return None
    if isinstance(node, ex.Elementwise):
        error = _elementwise(node, value, children, errors)
    elif type(node) is ex.Reduce:
        error = _reduce(node, value, children, errors, values)
    elif all(e is None for e in errors) and not isinstance(node, ex.Sort):
        return None
    else:
        error = rule(node, value, children, [_dense(e, c) for e, c in zip(errors, children, strict=True)], chunk)
    if error is None or not error.any():
        return None
    if value.flags is not None:
        error = np.where(value.flags | np.isinf(error), error, 0)
    return error


def _dense(error, value):
    return np.zeros(value.data.shape) if error is None else error


def _eps(dtype):
    return float(np.finfo(register_dtype(dtype)).eps)


def _tiny(dtype):
    return float(np.finfo(register_dtype(dtype)).smallest_subnormal)


def _distance(a, b):
    """|a - b| as float64: 0 between equals and NaNs, infinite between a number and what is none."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    apart = np.abs(a - b)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


# -- element-wise ------------------------------------------------------------------------------------------------------


def _elementwise(node, value, children, errors):
    exact = all(e is None for e in errors)
    elementary = node.dtype.kind == "f" and node.operator not in IEEE | COMPARISONS
    own = None
    if elementary:
        size = np.abs(value.data.astype(np.float64))
        own = np.where(np.isfinite(size), ULPS * (_eps(node.dtype) * size + _tiny(node.dtype)), 0)
    if exact:
        return own
    data = [interpreter._lift(c.data, node.ndim) for c in children]
    errors = [interpreter._lift(_dense(e, c), node.ndim) for e, c in zip(errors, children, strict=True)]
    unknown = np.zeros(value.data.shape, np.bool_)
    if node.operator == "select":
        return _select(value, data, errors)
    for x, e in zip(data, errors, strict=True):
        unknown |= np.isinf(e) | ((e > 0) & (x.dtype.kind != "f"))
    if node.operator in COMPARISONS:
        unknown |= (_distance(data[0], data[1]) <= errors[0] + errors[1]) & (errors[0] + errors[1] > 0)
        return np.where(unknown, np.inf, 0)
    if node.operator in ("divide", "reciprocal", "floor_divide", "remainder", "fmod"):
        unknown |= (errors[-1] > 0) & (np.abs(data[-1]) <= errors[-1])
    if node.operator in ("remainder", "fmod"):
        # Where the quotient may reach the next integer, the remainder begins anew.
        whole = [np.floor((data[0].astype(np.float64) + s * errors[0]) / np.abs(data[1])) for s in (-1, 1)]
        unknown |= (errors[0] > 0) & (whole[0] != whole[1])
    error = _corners(node, value, data, errors)
    if elementary:
        error = 2 * error + own + sum(np.where(np.isfinite(e), e, 0) for e in errors)
    if node.dtype.kind != "f":
        error = np.where(error > 0, np.inf, 0)
    else:  # the sign of a zero is as inexact as the operand that underflowed
        inexact = functools.reduce(np.logical_or, (e > 0 for e in errors))
        error = np.where(inexact & (value.data == 0), np.maximum(error, _tiny(node.dtype)), error)
    return np.where(unknown, np.inf, error)


def _corners(node, value, data, errors):
    """The farthest from the value that the operator gets on the ends of its operands' intervals."""
    ends = []
    for x, e in zip(data, errors, strict=True):
        inexact = x.dtype.kind == "f" and (e > 0).any()
        finite = np.where(np.isfinite(e), e, 0)
        wide = x.astype(np.float64) if inexact else x
        ends.append([(wide - finite).astype(x.dtype), (wide + finite).astype(x.dtype)] if inexact else [x])
    error = np.zeros(value.data.shape)
    for corner in product(*ends):
        if node.operator == "cast":
            result = convert(corner[0], node.operands[0].dtype, node.dtype)
        else:
            result = OPERATORS[node.operator](*corner)
        error = np.maximum(error, _distance(np.broadcast_to(result, error.shape), value.data))
    return error


def _select(value, data, errors):
    chosen = np.where(data[0], errors[1], errors[2])
    either = np.maximum(errors[1], errors[2]) + _distance(data[1], data[2])
    if value.data.dtype.kind != "f":
        either = np.where(either > 0, np.inf, 0)
    return np.broadcast_to(np.where(errors[0] > 0, either, chosen), value.data.shape)


# -- folds -------------------------------------------------------------------------------------------------------------


def _reduce(node, value, children, errors, values):
    body = children[0]
    x = interpreter._elements(body.data, node.axes)
    used = interpreter._counted(body, children[1] if node.where is not None else None)
    used = np.ones(x.shape, np.bool_) if used is None else interpreter._elements(used, node.axes)
    e = interpreter._elements(_dense(errors[0], body), node.axes)
    unknown = np.isinf(e).any(axis=0)
    if node.where is not None and errors[1] is not None:
        unknown |= (interpreter._elements(errors[1], node.axes) > 0).any(axis=0)
    e = np.where(used, e, 0)
    if node.dtype.kind != "f" or body.data.dtype.kind != "f":
        return np.where(unknown | (e > 0).any(axis=0), np.inf, 0)
    if node.operation == "add":
        error, more = _sum(node, x, e, used)
    elif node.operation == "multiply":
        error, more = _product(node, x, e, used)
    else:
        error, more = np.maximum(e.max(axis=0, initial=0), _zeros(node, x, used)), np.zeros(value.data.shape, np.bool_)
    if node.operation == "add" and isinstance(node.body, ex.Elementwise):
        # A product that overflows on its own need not when it is fused into the sum.
        finite = np.ones(body.data.shape, np.bool_)
        for operand in node.body.operands:
            finite &= np.isfinite(interpreter._lift(values[id(operand)].data, node.body.ndim))
        over = interpreter._elements(finite & ~np.isfinite(body.data), node.axes)
        more = more | (over & used).any(axis=0)
    return np.where(unknown | more, np.inf, error)


def _zeros(node, x, used):
    """Which of two zeros a fold of extrema gives is not defined; seen as a bound, it is the least one above 0."""
    positive = (used & (x == 0) & ~np.signbit(x)).any(axis=0)
    negative = (used & (x == 0) & np.signbit(x)).any(axis=0)
    return np.where(positive & negative, _tiny(node.dtype), 0)


def _sum(node, x, e, used):
    size = np.where(used & np.isfinite(x), np.abs(x.astype(np.float64)), 0).sum(axis=0)
    count = used.sum(axis=0)
    error = e.sum(axis=0) + (count + 1) * (_eps(node.dtype) * size + (_tiny(node.dtype) if len(x) > 1 else 0))
    special = (used & ~np.isfinite(x)).any(axis=0)
    overflows = size > float(np.finfo(register_dtype(node.dtype)).max) / 4
    return np.where(special, 0, error), overflows


def _product(node, x, e, used):
    limits = np.finfo(register_dtype(node.dtype))
    size = np.where(used, np.abs(x.astype(np.float64)), 1)
    partial = np.cumprod(np.where(np.isfinite(size), size, 1), axis=0)
    critical = (partial > float(limits.max) / 4) | ((partial < float(limits.tiny)) & (partial > 0))
    relative = np.where(e > 0, e / size, 0) + _eps(node.dtype)
    grown = np.prod(1 + relative, axis=0) - 1
    total = np.prod(size, axis=0)
    zero = (used & (e > 0) & (size == 0)).any(axis=0)
    return np.where(np.isfinite(total), total * grown, 0), critical.any(axis=0) | zero


def _arg_reduce(node, value, children, errors, chunk):
    e = sum(interpreter._elements(error, node.axes).max(axis=0, initial=0) for error in errors)
    return np.where(e > 0, np.inf, 0)


# -- order, choice, shape ----------------------------------------------------------------------------------------------


def _sort(node, value, children, errors, chunk):
    axis = node.axis + 1
    error = np.broadcast_to(errors[0].max(axis=axis, keepdims=True), value.data.shape)
    if node.where is not None:
        error = np.where((errors[1] > 0).any(axis=axis, keepdims=True), np.inf, error)
    if value.data.dtype.kind != "f":
        return np.where(error > 0, np.inf, 0)
    x = value.data
    negative, positive = ((x == 0) & (np.signbit(x) == sign) for sign in (True, False))
    both = negative.any(axis=axis, keepdims=True) & positive.any(axis=axis, keepdims=True)
    return np.where(both & (x == 0), np.maximum(error, _tiny(node.dtype)), error)


def _runs(node, value, children, errors, chunk):
    """Which elements are equal depends on none that is off by the sign of a zero only."""
    sign = _tiny(node.body.dtype) if node.body.dtype.kind == "f" else 0
    unknown = (errors[0] > sign).any(axis=-1)
    for count in errors[1:]:
        unknown |= count > 0
    return np.where(unknown, np.inf, np.where(value.data == 0, sign if node.dtype.kind == "f" else 0, 0))


def _scan(node, value, children, errors, chunk):
    """Running folds are made of integers and truth values, which are exact or unknown."""
    assert value.data.dtype.kind != "f", "a bound of the rounding of running floating folds is missing"
    return np.where(np.maximum.accumulate(errors[0], axis=node.axis + 1) > 0, np.inf, 0)


def _take(node, value, children, errors, chunk):
    body = errors[0].max(axis=node.axis + 1)
    index = errors[1]
    if node.index.ndim == 0:
        index = index.reshape(-1, *(1,) * node.ndim)
    return np.where(np.broadcast_to(index, value.data.shape) > 0, np.inf, np.broadcast_to(body, value.data.shape))


def _moved(node, value, children, errors, chunk):
    return interpreter._MEANING[type(node)](node, [Value(e) for e in errors], chunk).data


def _valid(node, value, children, errors, chunk):
    return np.where(np.isinf(errors[0]), np.inf, 0)


_RULES = {
    ex.Elementwise: _elementwise,
    ex.Reduce: _reduce,
    ex.ArgReduce: _arg_reduce,
    ex.Sort: _sort,
    ex.Runs: _runs,
    ex.Scan: _scan,
    ex.Take: _take,
    ex.Valid: _valid,
    **dict.fromkeys((ex.Slice, ex.Reshape, ex.Transpose, ex.Broadcast, ex.Concatenate, ex.Put), _moved),
}


def _stored(data, error, valid, dtype):
    """The bound after the conversion to the output's dtype."""
    if error is None:
        return None
    data = data.astype(np.float64)
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        rounded = error + float(limits.eps) * (np.abs(data) + error) + float(limits.smallest_subnormal)
        rounded = np.where(np.abs(data) + error > float(limits.max) * (1 - float(limits.eps)), np.inf, rounded)
        stored = np.where((error > 0) & np.isfinite(data), rounded, error)
    elif dtype.kind == "b":
        stored = np.where((error > 0) & (np.abs(data) <= error), np.inf, 0)
    else:
        stored = np.where(error > 0, np.floor(error) + 1, 0)
    return np.where(valid | np.isinf(error), stored, 0)


def assert_within(actual, expected, bound, context=""):
    """The same dtype and shape; equal to the sign of zero where the bound is 0, else within it; inf and NaN alike."""
    __tracebackhide__ = True
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), (actual.dtype, expected.dtype, context)
    if actual.dtype.kind != "f":
        wrong = (actual != expected) & (bound == 0)
        if actual.dtype.kind in "iu" and (bound > 0).any():
            apart = np.abs(actual.astype(object) - expected.astype(object)).astype(np.float64)
            wrong |= apart > bound
    else:
        with np.errstate(all="ignore"):
            apart = _distance(actual, expected)
        signs = (bound == 0) & (actual == 0) & (np.signbit(actual) != np.signbit(expected))
        wrong = (apart > bound) | signs
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{int(wrong.sum())} of {wrong.size} elements are wrong; at {where}: got {actual[where]!r}, the definition "
            f"gives {expected[where]!r} (bound {bound[where]:.3g}). {context}"
        )
