"""Every reduction, traced and evaluated by its definition, against NumPy: all windows, all dtypes, all ways to call it.

The table `REDUCTIONS` has one row for each NumPy function, with the options that it takes; the tests are parametrised
over it. With missing samples the oracle is NumPy on the samples that exist. On purpose not compared: float16 beyond its
precision, since the definition computes in float32.
"""

import functools

import numpy as np
import pytest

from kernelscape import reductions
from kernelscape.expression import Reduce, Slice, Sort, Take, Valid, walk
from kernelscape.reductions import FOLDS
from kernelscape.semantics import DTYPES as SUPPORTED
from kernelscape.semantics import OPERATORS
from kernelscape.trace import Parameter, trace
from tests.oracle.traced import assert_as_numpy, assert_close, traced_results, values
from tests.oracle.traced import check_arrays as check

DTYPES = ("bool", "uint8", "int16", "int64", "uint64", "float16", "float32", "float64")
SHAPE = (4, 5)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, from empty and all-NaN windows

AXES = ({}, {"axis": 0}, {"axis": -1}, {"axis": (0, 1)}, {"axis": 1, "keepdims": True}, {"keepdims": True})
ONE_AXIS = tuple(options for options in AXES if not isinstance(options.get("axis"), tuple))
QUANTILES = (0.3, 0, 1, 0.5, 1.0, np.float64(0.25), [0.1, 0.9], np.array([[0.2], [0.6]]))
METHODS = (*reductions.METHODS,)

REDUCTIONS = {
    **dict.fromkeys(("sum", "prod", "mean", "std", "var", "min", "max", "any", "all", "ptp", "median"), AXES),
    **dict.fromkeys(("nansum", "nanprod", "nanmean", "nanstd", "nanvar", "nanmin", "nanmax", "nanmedian"), AXES),
    **dict.fromkeys(("argmin", "argmax", "nanargmin", "nanargmax"), ONE_AXIS),
    "count_nonzero": AXES,
    "average": AXES,
}


def holed(array):
    """NaN in some windows, and infinities; floats only."""
    if array.dtype.kind == "f":
        array = array.copy()
        array[0, 0], array[2, 2], array[3, 4] = np.nan, np.inf, -np.inf
    return array


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "options"), [(n, o) for n, many in REDUCTIONS.items() for o in many], ids=str)
def test_reduction(name, options, dtype):
    function = getattr(np, name)
    check(lambda w: function(w, **options), [values(dtype, SHAPE)])
    check(lambda w: function(w, **options), [values(dtype, SHAPE)], size=(2, 4))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), [(n, o) for n, many in REDUCTIONS.items() for o in many[:2]], ids=str)
def test_reduction_of_nan_and_infinity(name, options, dtype):
    function = getattr(np, name)
    if name == "ptp":
        check(lambda w: function(np.where(np.isinf(w), 0, w), **options), [holed(values(dtype, SHAPE))])
    else:
        check(lambda w: function(w, **options), [holed(values(dtype, SHAPE))])


@pytest.mark.parametrize("name", ["nanmean", "nanstd", "nanmin", "nanmax", "nanmedian", "nansum", "nanprod", "nanvar"])
def test_nan_forms_where_all_is_nan(name):
    image = np.full(SHAPE, np.nan)
    image[3, 4] = 2.0
    function = getattr(np, name)
    assert_as_numpy(function, [image])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", ["float32", "float64", "int32", "uint64"])
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "nansum"])
def test_dtype_argument(name, target, dtype):
    # A float sum in integers truncates each element, and NumPy refuses that or not by its rules for casts.
    source = "int16" if np.dtype(dtype).kind == "f" and np.dtype(target).kind in "iu" else dtype
    function = getattr(np, name)
    image = abs(values(source, SHAPE)).astype(source)
    check(lambda w: function(w % 3 if w.dtype != bool else w, dtype=target), [image])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["std", "var", "nanstd", "nanvar"])
def test_degrees_of_freedom(name, dtype):
    function = getattr(np, name)
    check(lambda w: function(w, ddof=1), [values(dtype, SHAPE)])
    check(lambda w: function(w, axis=0, ddof=2.5), [values(dtype, SHAPE)])
    check(lambda w: function(w[:1, :1], ddof=1), [values(dtype, SHAPE)])


MASK = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "std", "var", "any", "all", "nansum", "nanmean", "nanstd"])
def test_where(name, dtype):
    function = getattr(np, name)
    check(lambda w: function(w, where=w > w[1, 1]), [values(dtype, SHAPE)])
    check(lambda w: function(w, where=MASK), [values(dtype, SHAPE)])
    check(lambda w: function(w, axis=0, where=MASK[1]), [values(dtype, SHAPE)])


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_initial(dtype):
    check(lambda w: np.sum(w, initial=5), [values(dtype, SHAPE)])
    check(lambda w: np.prod(w[:2], axis=0, initial=2), [values(dtype, SHAPE)])
    check(lambda w: np.min(w, initial=3), [values(dtype, SHAPE)])
    check(lambda w: np.max(w, axis=1, initial=3, where=w > 1), [values(dtype, SHAPE)])


@pytest.mark.parametrize("name", ["sum", "mean", "std", "var", "min", "max", "prod", "any", "all", "argmin", "argmax"])
def test_methods(name):
    check(lambda w: getattr(w, name)(), [values("float32", SHAPE)])
    check(lambda w: getattr(w, name)(axis=1), [values("int16", SHAPE)])


# -- ranks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("q", QUANTILES, ids=repr)
def test_quantile(q, dtype):
    check(lambda w: np.quantile(w, q), [values(dtype, SHAPE)])
    check(lambda w: np.quantile(w, q, axis=0, keepdims=True), [values(dtype, SHAPE)])
    check(lambda w: np.percentile(w, np.multiply(q, 100) if np.ndim(q) else q * 100), [values(dtype, SHAPE)], (2, 3))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("q", [0.0, 0.2, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("method", METHODS)
def test_quantile_methods(method, q, dtype):
    for size in ((3, 3), (2, 2), (1, 1), (2, 5)):
        check(lambda w: np.quantile(w, q, method=method), [values(dtype, SHAPE)], size)
    check(
        lambda w: np.nanquantile(w, q, method=method),
        [holed(values(dtype, SHAPE)) * np.isfinite(holed(values(dtype, SHAPE)))],
    )
    check(lambda w: np.quantile(w[w > 1], q, method=method), [np.abs(values(dtype, SHAPE)) + np.ones((), dtype) * 2])


@pytest.mark.parametrize("name", ["nanpercentile", "nanquantile"])
def test_nan_quantiles(name):
    image = values("float64", SHAPE)
    image[::2, 1::2] = np.nan
    function = getattr(np, name)
    scale = 100 if name == "nanpercentile" else 1
    for fraction in (0.25, 0.5, 1.0):
        assert_as_numpy(functools.partial(function, q=fraction * scale), [image])
        assert_as_numpy(functools.partial(function, q=fraction * scale, axis=1), [image])


def nodes_of(function, dtype="float32", missing=False):
    return list(walk(trace(function, [Parameter.window(0, (5, 5), np.dtype(dtype))], missing=missing).outputs))


@pytest.mark.parametrize("function", [np.median, lambda w: np.percentile(w, 30), lambda w: np.quantile(w, [0.2, 0.9])])
def test_rank_is_static_unless_samples_may_be_missing(function):
    nodes = nodes_of(function)
    assert not any(isinstance(n, (Take, Valid)) for n in nodes)
    assert any(isinstance(n, Slice) and isinstance(n.body, Sort) for n in nodes)
    assert any(isinstance(n, Take) for n in nodes_of(function, missing=True))
    assert any(isinstance(n, Take) for n in nodes_of(lambda w: function(w[w > 0])))


def test_integers_are_not_asked_for_nan():
    assert not any(getattr(n, "operator", None) == "isnan" for n in nodes_of(np.median, "uint8"))
    flags = [n for n in nodes_of(np.median) if isinstance(n, Reduce) and n.operation == "logical_or"]
    assert [f.body.operator for f in flags] == ["isnan"]


@pytest.mark.parametrize("function", [np.sum, np.mean, np.std, np.max, lambda w: np.sum((w - np.mean(w)) ** 3)])
def test_window_reductions_stay_symbolic(function):
    parameter = Parameter.window(0, (31, 31), np.dtype("float32"))
    assert len(list(walk(trace(function, [parameter]).outputs))) < 20


# -- missing samples --------------------------------------------------------------------------------------------------

SHRINKING = {
    **{n: getattr(np, n) for n in ("sum", "prod", "mean", "std", "var", "min", "max", "ptp", "median")},
    **{n: getattr(np, n) for n in ("any", "all", "count_nonzero")},
    "var ddof": lambda w: np.var(w, ddof=1),
    "percentile": lambda w: np.percentile(w, 35),
    "quantiles": lambda w: np.quantile(w, [0.1, 0.6]),
    "lower": lambda w: np.quantile(w, 0.4, method="lower"),
    "midpoint": lambda w: np.quantile(w, 0.4, method="midpoint"),
    "hazen": lambda w: np.quantile(w, 0.4, method="hazen"),
    "selected": lambda w: np.mean(w[w >= w.min()]),
    "selected median": lambda w: np.median(w[w > w.min()]),
    "expression": lambda w: np.median(abs(w - np.median(w))),
    "norm": np.linalg.norm,
    "average": np.average,
}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("name", SHRINKING)
def test_missing_samples_are_not_counted(name, dtype):
    function, image = SHRINKING[name], values(dtype, SHAPE)
    _, (got,) = traced_results(function, [image], mode="shrink", missing=True)
    for y, x in np.ndindex(*SHAPE):
        present = image[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        assert_close(got[y, x], np.asarray(function(present)), narrowest=image.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_missing_samples_of_pairs(dtype):
    images = [values(dtype, SHAPE, seed) for seed in (0, 1)]

    def weighted(a, b):
        return np.average(a, weights=abs(b) + 1)

    def covariance(a, b):
        return np.cov(a.ravel(), b.ravel())

    for function in (weighted, covariance):
        _, (got,) = traced_results(function, images, mode="shrink", missing=True)
        for y, x in np.ndindex(*SHAPE):
            parts = [i[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] for i in images]
            assert_close(got[y, x], np.asarray(function(*parts)), narrowest=images[0].dtype)


def test_a_median_of_missing_samples_ignores_nan_that_is_not_there():
    image = values("float64", SHAPE)
    image[0, 0] = np.nan
    _, (got,) = traced_results(np.median, [image], mode="shrink", missing=True)
    hit = np.zeros(SHAPE, bool)
    hit[:2, :2] = True
    np.testing.assert_array_equal(np.isnan(got), hit)


# -- selections of nothing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mean", "median", "std", "min", "max"])
def test_nothing_selected_is_nan(name):
    function = getattr(np, name)
    _, (got,) = traced_results(lambda w: function(w[w > 1e9]), [values("float32", SHAPE)])
    assert np.isnan(got).all()


def test_nothing_selected_sums_to_the_identity():
    _, got = traced_results(lambda w: (w[w > 1000].sum(), w[w > 1000].prod()), [values("int16", SHAPE)])
    assert (got[0] == 0).all()
    assert (got[1] == 1).all()


# -- facts of the folds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [d for d in SUPPORTED if d != np.float16], ids=str)
@pytest.mark.parametrize("fold", FOLDS.values(), ids=lambda f: f.operator)
def test_facts_of_folds(fold, dtype):
    if fold.operator.startswith("logical"):
        dtype = np.dtype(np.bool_)
    operate, sample = OPERATORS[fold.operator], values(dtype, 40)
    a, b, c = sample, np.roll(sample, 1), np.roll(sample, 7)
    neutral = np.full(40, fold.identity(dtype), dtype)
    np.testing.assert_array_equal(operate(a, neutral), a)
    if fold.commutative:
        np.testing.assert_array_equal(operate(a, b), operate(b, a))
    if fold.idempotent:
        np.testing.assert_array_equal(operate(a, a), a)
    if dtype.kind in fold.exact:
        np.testing.assert_array_equal(operate(operate(a, b), c), operate(a, operate(b, c)))
    if fold.inverse is not None and dtype.kind in "iu":
        np.testing.assert_array_equal(OPERATORS[fold.inverse](operate(a, b), b), a)


@pytest.mark.parametrize("axis", [2, -3, (0, 2)])
@pytest.mark.parametrize("function", [np.sum, np.median], ids=lambda f: f.__name__)
def test_bad_axes_are_numpys_errors(function, axis):
    with pytest.raises(np.exceptions.AxisError):
        traced_results(lambda w: function(w, axis=axis), [values("int16", SHAPE)])
