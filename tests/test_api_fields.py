"""Kernel fields on their way through the friendly layer: as arguments of functions, as one kernel, in rows, by NumPy.

What filters give with fields is compared with the definition in `conformance/test_fields.py`. Here it is compared with
kernels written out and plain NumPy, or with the same call said differently, to the bit where nothing else can be meant.
"""

import gc
import warnings
import weakref

import numpy as np
import pytest
from scipy import special

import kernelscape as ks
from kernelscape.api import expansion, gather, scatter
from kernelscape.api.fields import Way, kept_function
from kernelscape.api.operands import operands_of
from kernelscape.errors import ArgumentError, ArgumentTypeError, MemoryBudgetError, PerformanceWarning, ShapeError
from kernelscape.kernels import Chebyshev, Combination, Dense, Disc, Formula, Gaussian, Grid, Scattered, Separable
from tests.conformance.field_cases import field_case
from tests.oracle.comparison import assert_near
from tests.oracle.errors import assert_refused

EXTENTS, SIZE = (7, 5), (3, 4)
KINDS = [
    "constant", "dense", "separable", "gaussian", "gaussian, oriented", "disc", "formula", "formula of offsets", "grid",
    "grid, cubic", "scattered", "combination", "polynomials",
]  # fmt: skip
FORMS = ("gather", "scatter")


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


X = numbers(*EXTENTS)


def case_of(name):
    """A field on `X`, and its kernels."""
    case = field_case(name, EXTENTS, SIZE, seed=2)
    return case.make(), case.kernels


def windows(x, size, mode="symmetric"):
    """The windows of an image, axes of the samples last."""
    padding = [(k // 2, k - 1 - k // 2) for k in size]
    return np.lib.stride_tricks.sliding_window_view(np.pad(x, padding, mode=mode), size)


# -- arguments of functions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["traced", "numpy"])
@pytest.mark.parametrize("name", KINDS)
def test_functions_of_windows_and_kernels(name, method):
    """Several results, `axis`, `valid`, strides, padding, outputs."""
    field, kernels = case_of(name)
    products = windows(X, kernels.shape[2:]) * kernels
    total, largest = products.sum((2, 3)), products.max((2, 3))
    words = {"method": method}
    k = ks.kernel(field)

    found = ks.apply(lambda w, k: (np.sum(w * k), np.max(w * k)), X, k, **words)
    assert isinstance(found, tuple)
    assert_near(found[0], total)
    assert_near(found[1], largest)
    assert_near(ks.apply(lambda w, k, *, axis: np.max(w * k, axis=axis), X, k, **words), largest)
    assert_near(ks.apply(lambda w, k: np.sum(w * k), X, k, stride=(2, 3), **words), total[::2, ::3])
    outputs = np.empty(EXTENTS), np.empty(EXTENTS, np.float32)
    found = ks.apply(lambda w, k: (np.sum(w * k), np.max(w * k)), X, k, output=outputs, **words)
    assert found[0] is outputs[0]
    assert found[1] is outputs[1]
    assert_near(outputs[0], total)
    assert_near(outputs[1], largest, 1e-6)

    there = windows(np.ones(EXTENTS, bool), kernels.shape[2:], "constant")
    shrunk = (windows(X, kernels.shape[2:], "constant") * kernels * there).sum((2, 3))
    flagged = lambda w, k, valid: np.sum(np.where(valid, w * k, 0.0))  # noqa: E731
    assert_near(ks.apply(flagged, X, k, mode="shrink", **words), shrunk)
    full = ks.apply(lambda w, k: np.sum(w * k), X, k, padding="full", mode="constant", **words)
    assert full.shape == tuple(n + k - 1 for n, k in zip(EXTENTS, kernels.shape[2:], strict=True))
    inside = tuple(slice(k - 1 - k // 2, n + k - 1 - k // 2) for n, k in zip(EXTENTS, kernels.shape[2:], strict=True))
    assert_near(full[inside], shrunk)


@pytest.mark.parametrize("method", ["traced", "numpy"])
@pytest.mark.parametrize("name", ["constant", "dense", "gaussian", "grid", "scattered", "polynomials"])
def test_batch_axes_before_and_behind(name, method):
    field, kernels = case_of(name)
    x = numbers(2, *EXTENTS, 3, seed=1)
    found = ks.apply(lambda w, k: np.max(w * k), x, ks.kernel(field), axes=(1, 2), method=method)
    for b, c in np.ndindex(2, 3):
        assert_near(found[b, :, :, c], (windows(x[b, :, :, c], kernels.shape[2:]) * kernels).max((2, 3)))
    turned = ks.apply(lambda w, k: np.max(w * k), x.T, ks.kernel(field), axes=(2, 1), method=method)
    np.testing.assert_array_equal(turned, found.T)


def test_axes_in_any_order():
    for name in ("constant", "dense", "gaussian", "formula", "grid", "scattered"):
        field, _ = case_of(name)
        for form in FORMS:
            wanted = ks.correlate(X, field, form=form)
            found = ks.correlate(np.stack([X.T, 2 * X.T], 1), field, form=form, axes=(2, 0))
            assert_near(found[:, 0].T, wanted, 1e-14)
            assert_near(found[:, 1].T, 2 * wanted, 1e-14)


def test_several_fields_and_maps():
    (grid, kernels), (other, others) = case_of("grid"), case_of("scattered")
    gain = numbers(*EXTENTS, seed=3)
    found = ks.apply(
        lambda w, k, m, g: g * np.sum(w * k) + np.sum(m), X, ks.kernel(grid), ks.kernel(other), ks.pixel(gain)
    )
    assert_near(found, gain * (windows(X, SIZE) * kernels).sum((2, 3)) + others.sum((2, 3)))


def test_a_footprint_chooses_samples_of_the_kernel_too():
    footprint = np.array([[0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 1, 0]], bool)
    for name, method in [("dense", "auto"), ("grid", "auto"), ("constant", "auto"), ("dense", "numpy")]:
        field, kernels = case_of(name)
        found = ks.apply(lambda w, k: np.max(w * k), X, ks.kernel(field), footprint=footprint, method=method)
        assert_near(found, (windows(X, SIZE) * kernels)[..., footprint].max(-1))
    assert_refused(ShapeError, r"footprint must have the shape \(3, 4\)", lambda: ks.apply(
        np.vdot, X, ks.kernel(case_of("dense")[0]), footprint=np.ones((3, 3))))  # fmt: skip


def test_plans_of_functions_of_fields():
    for name in ("dense", "grid", "constant"):
        plan = ks.stencil(lambda w, k: np.sum(w * k)).plan(X, ks.kernel(case_of(name)[0]))
        assert plan.explain().splitlines()[1] == "output: 7 x 5 positions, float64"


def test_complex_fields_are_no_arguments():
    field, _ = case_of("dense, complex")
    assert_refused(ArgumentTypeError, "field.real and field.imag", lambda: ks.apply(np.vdot, X, ks.kernel(field)))
    found = ks.apply(
        lambda w, re, im: np.hypot(np.sum(w * re), np.sum(w * im)), X, ks.kernel(field.real), ks.kernel(field.imag)
    )
    assert_near(found, abs(ks.correlate(X, field)))


# -- one kernel for all pixels -----------------------------------------------------------------------------------------

ALIKE = {
    "gaussian": lambda: Gaussian(0.6, truncate=2.5),
    "gaussian with a view": lambda: Gaussian(np.broadcast_to(0.6, EXTENTS), truncate=2.5),
    "disc": lambda: Disc(1.3),
    "dense view": lambda: Dense(np.broadcast_to(numbers(*SIZE), (*EXTENTS, *SIZE))),
    "separable views": lambda: Separable(
        np.broadcast_to(numbers(3), (*EXTENTS, 3)), np.broadcast_to(numbers(4), (*EXTENTS, 4))
    ),
    "formula of offsets": lambda: Formula(lambda dy, dx: special.j0(np.hypot(dy, dx)), SIZE),
    "combination": lambda: Combination(numbers(2, *SIZE), np.broadcast_to([[[1.0]], [[2.0]]], (2, *EXTENTS))),
    "a single node": lambda: Grid(numbers(1, 1, *SIZE), ([2.0], [3.0])),
    "a single point": lambda: Scattered(numbers(1, *SIZE), [[2.0, 3.0]]),
    "complex": lambda: Dense(np.broadcast_to(numbers(*SIZE) + 1j * numbers(*SIZE, seed=1), (*EXTENTS, *SIZE))),
}


@pytest.mark.parametrize("name", ALIKE)
def test_one_kernel_for_all_pixels_takes_the_path_of_an_array(name):
    field = ALIKE[name]()
    kernel = field.at(0, 0)
    assert operands_of(X, field, None, ("gather", False, 0.0), None, None).field is None
    for call in (ks.correlate, ks.convolve):
        for form in FORMS:
            for x in (X, X.astype(np.float32), np.arange(35).reshape(EXTENTS)):
                found, wanted = (call(x, weights, form=form, mode="mirror") for weights in (field, kernel))
                assert found.dtype == wanted.dtype
                np.testing.assert_array_equal(found, wanted)
    if kernel.dtype.kind == "f":
        found, wanted = (ks.apply(lambda w, k: np.max(w * k), X, ks.kernel(weights)) for weights in (field, kernel))
        np.testing.assert_array_equal(found, wanted)


def test_other_kernels_do_not():
    for field in (
        Gaussian(np.full(EXTENTS, 0.6)),
        Gaussian(0.6, np.full(EXTENTS, 0.6)),
        Combination(numbers(2, *SIZE), Chebyshev(numbers(2, 2, 1))),
        Dense(np.broadcast_to(numbers(5, *SIZE), (*EXTENTS, *SIZE))),
        Grid(numbers(1, 2, *SIZE), ([2.0], [3.0, 4.0])),
    ):
        assert operands_of(X, field, None, ("gather", False, 0.0), None, None).field is field


def test_one_kernel_is_as_precise_as_the_image():
    """The dtype of a map says nothing about the precision in which kernels are computed."""
    sigma = np.broadcast_to(np.float32(0.75), EXTENTS)
    np.testing.assert_array_equal(ks.correlate(X, Gaussian(sigma)), ks.correlate(X, Gaussian(0.75)))


# -- rows at a time ----------------------------------------------------------------------------------------------------


def calls_in_rows(field):
    x = numbers(17, 13, seed=4)
    yield ks.correlate(x, field)
    yield ks.convolve(x, field, stride=(3, 2), padding="full", mode="constant")
    yield ks.correlate(np.stack([x, 2 * x], -1), field, axes=(0, 1), normalize=True)
    yield ks.convolve(np.stack([x.T, 2 * x.T], 1), field, axes=(2, 0))
    yield ks.convolve(x, field, form="scatter", normalize=True)
    if field.imag is None:
        seen = x.copy()
        yield ks.correlate(seen, field, output=seen)
        output = np.empty((17, 13), ">f4")
        yield ks.correlate(x, field, output=output)
        yield ks.correlate(np.full((17, 13), 100), field, output=np.uint8)
        extremes = lambda w, k: (np.min(w * k), np.max(w * k))  # noqa: E731
        yield ks.apply(extremes, x, ks.kernel(field), stride=2)
        seen = x.copy()
        yield ks.apply(extremes, seen, ks.kernel(field), output=(seen, np.float32))
        shifted = lambda w, k, m: np.max(w * k) + m  # noqa: E731
        yield ks.apply(shifted, x, ks.kernel(field), ks.pixel(np.stack([x, x + 1])), axes=(-2, -1))


@pytest.mark.parametrize("name", ["grid", "grid, complex", "scattered"])
def test_rows_change_no_bit(name, monkeypatch):
    field = field_case(name, (17, 13), SIZE).make()
    wanted = list(calls_in_rows(field))
    for module in (gather, scatter, expansion):
        monkeypatch.setattr(module, "BLEND_BYTES", 3000)
    for found, one in zip(calls_in_rows(field), wanted, strict=True):
        for a, b in zip(*(r if isinstance(r, tuple) else (r,) for r in (found, one)), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ShapeError, match=r"result's shape \(17, 13\); got an array of shape \(17, 12\)"):
        ks.correlate(np.ones((17, 13)), field, output=np.empty((17, 12), complex))
    if field.imag is None:
        with pytest.raises(ShapeError, match=r"17 along axis 0; got an array of shape \(16, 13\)"):
            ks.apply(np.vdot, np.ones((17, 13)), ks.kernel(field), output=np.empty((16, 13)))


@pytest.mark.parametrize("mode", ["reflect", "wrap", ("nearest", "shrink"), "constant"])
def test_margins_apart_change_no_bit(mode, monkeypatch):
    fields = [case_of(name)[0] for name in ("dense", "gaussian", "constant", "formula")]
    wanted = [ks.convolve(X, field, form="scatter", mode=mode) for field in fields]
    monkeypatch.setattr(scatter, "TOGETHER_BYTES", 0)
    for field, one in zip(fields, wanted, strict=True):
        np.testing.assert_array_equal(ks.convolve(X, field, form="scatter", mode=mode), one)


# -- what cannot be traced ---------------------------------------------------------------------------------------------


def in_python(w, k):
    return float(np.sum(w * k))


@pytest.mark.parametrize("name", KINDS)
def test_functions_that_cannot_be_traced(name):
    field, kernels = case_of(name)
    wanted = (windows(X, kernels.shape[2:]) * kernels).sum((2, 3))
    with pytest.warns(PerformanceWarning, match="float") as caught:
        assert_near(ks.apply(in_python, X, ks.kernel(field)), wanted)
    assert [w.filename for w in caught] == [__file__]
    with pytest.raises(ks.TracingError):
        ks.apply(in_python, X, ks.kernel(field), method="traced")


def test_chunks_see_all_kernels_at_once():
    seen = []

    def function(w, k, axis):
        seen.append((w.shape, k.shape))
        return np.sum(w * k, axis=axis)

    for name in ("gaussian", "grid", "scattered"):
        field, kernels = case_of(name)
        found = ks.apply(function, X, ks.kernel(field), method="numpy")
        assert_near(found, (windows(X, kernels.shape[2:]) * kernels).sum((2, 3)))
        assert seen.pop() == ((35, *kernels.shape[2:]),) * 2
        assert not seen


def test_empty_images():
    for shape in ((0, 5), (7, 0)):
        field = Gaussian(np.ones(shape), truncate=1)
        for method in ("auto", "numpy"):
            found = ks.apply(lambda w, k: (np.sum(w * k), k), np.ones(shape), ks.kernel(field), method=method)
            assert [a.shape for a in found] == [shape, (*shape, *field.bound(shape).size)]
            for form in FORMS:
                assert ks.correlate(np.ones(shape), field, form=form, method=method).shape == shape


@pytest.mark.parametrize("form", FORMS)
def test_formulas_that_cannot_be_traced(form, monkeypatch):
    width = np.random.default_rng(5).uniform(1, 2, EXTENTS)
    field = Formula(lambda dy, dx, s: special.j1(np.hypot(dy, dx) / s), SIZE, width)
    dense = Dense(field.dense(EXTENTS))
    for call in (ks.correlate, ks.convolve):
        wanted = call(X, dense, form=form, mode="shrink")
        with pytest.warns(PerformanceWarning, match="j1") as caught:
            found = call(X, field, form=form, mode="shrink")
        assert [w.filename for w in caught] == [__file__]
        np.testing.assert_array_equal(found, wanted)
        assert_near(call(X, field, form=form, mode="shrink", method="numpy"), wanted)
        with pytest.raises(ks.TracingError, match="j1"):
            call(X, field, form=form, method="traced")
    monkeypatch.setattr(gather, "BLEND_BYTES", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        np.testing.assert_array_equal(ks.correlate(X, field), ks.correlate(X, dense))
        assert_near(ks.apply(lambda w, k: np.sum(w * k), X, ks.kernel(field)), ks.correlate(X, dense))
        with ks.configure(memory_budget=3000):
            ks.correlate(X, field)
            assert_refused(
                MemoryBudgetError, r"shape \(7, 5, 3, 4\): 3\.4e-06 GB", lambda: ks.correlate(X, field, form="scatter")
            )


@pytest.mark.parametrize("name", ["constant", "dense", "dense, complex", "gaussian", "grid", "scattered", "formula"])
def test_filters_by_numpy(name):
    """Without machine code, in all modes."""
    field, _ = case_of(name)
    weights = [field, field.at(3, 2, shape=EXTENTS)]
    for form in FORMS:
        for words in ({"mode": "shrink"}, {"mode": "wrap", "normalize": name == "gaussian"}, {"output": np.complex64}):
            for w in weights:
                found, wanted = (ks.convolve(X, w, form=form, method=method, **words) for method in ("numpy", "auto"))
                assert found.dtype == wanted.dtype
                assert_near(found, wanted, 1e-5 if "output" in words else 1e-12)
    found = ks.correlate(np.arange(35).reshape(EXTENTS), [[1, 2], [3, 4]], mode="shrink", method="numpy")
    np.testing.assert_array_equal(found, ks.correlate(np.arange(35).reshape(EXTENTS), [[1, 2], [3, 4]], mode="shrink"))


# -- arrays of our own and of the user ---------------------------------------------------------------------------------


def test_offsets_may_have_the_shape_of_the_image():
    for n, size in [(4, 7), (7, 7), (5, 9)]:
        x, sigma = numbers(n), np.full(n, 1.3)
        for field in (Gaussian(sigma, size=size), Formula(lambda d, s: np.exp(-d * d / s), size, sigma)):
            kernel = field.at(0)
            for form in FORMS:
                for normalize in (False, True):
                    found, wanted = (ks.correlate(x, w, form=form, normalize=normalize) for w in (field, kernel))
                    assert_near(found, wanted)
    x, field = numbers(5, 1), Formula(lambda dy, dx, s: np.exp(-(dy * dy + dx * dx) * s), (5, 3), np.ones((5, 1)))
    assert_near(
        ks.convolve(x, field, form="scatter", normalize=True),
        ks.convolve(x, field.at(0, 0), form="scatter", normalize=True),
    )
    found = ks.apply(lambda w, k: np.sum(w * k), x, ks.kernel(field))
    assert_near(found, ks.correlate(x, field.at(0, 0)))


def test_captured_maps_are_still_found():
    gain = np.ones(EXTENTS)
    with pytest.raises(ks.TracingError, match=r"shape of a whole input.*ks\.pixel"):
        ks.apply(lambda w, k: np.sum(w * k) * gain, X, ks.kernel(case_of("gaussian")[0]), method="traced")


def head(*values, **words):
    return values, words


def test_functions_are_found_again_and_not_kept_alive():
    first = kept_function(head, 1, way=Way(True, False), array=np.arange(3.0))
    assert kept_function(head, 1, array=np.arange(3.0), way=Way(True, False)) is first
    for other in ((1.0, Way(True, False), 3.0), (1, Way(False, False), 3.0), (1, Way(True, False), 4.0)):
        assert kept_function(head, other[0], way=other[1], array=np.arange(other[2])) is not first

    function = lambda w: w  # noqa: E731
    made = [kept_function(head, function) for _ in range(3)]
    assert made[0] is not made[1]
    assert made[1] is made[2]
    once = lambda w: w  # noqa: E731
    reference = weakref.ref(once)
    kept_function(head, once)
    del once
    gc.collect()
    assert reference() is None


def test_a_formula_made_anew_is_not_kept():
    def formula():
        table = np.full((3, 3), 2.0)
        function = lambda dy, dx, s: np.exp(-(dy * dy + dx * dx) / s) * table  # noqa: E731
        return Formula(function, 3, np.ones(EXTENTS)), weakref.ref(table)

    field, table = formula()
    ks.correlate(X, field)
    del field
    gc.collect()
    assert table() is None


# -- sources -----------------------------------------------------------------------------------------------------------


def test_a_scatter_takes_the_input_as_it_is_to_be_seen():
    field, kernels = case_of("dense")
    x = 10 * X
    for dtype in (np.int16, np.float32, bool):
        found = ks.convolve(x, field, form="scatter", dtype=dtype)
        wanted = ks.convolve(x.astype(dtype), Dense(kernels.astype(np.float32)), form="scatter")
        assert found.dtype == (np.float32 if dtype is np.float32 else np.result_type(np.zeros(0, dtype), np.float32))
        assert_near(found, wanted, 1e-5)


def test_sources_whose_weights_sum_to_noise_send_nothing():
    kernels = np.ones((*EXTENTS, 3))[..., None] * np.ones(1)
    kernels[2, 3, :, 0] = [0.1, 0.2, -0.3]
    x = X.copy()
    for field in (Dense(kernels), Grid(kernels, (np.arange(7), np.arange(5)))):
        found = ks.convolve(x, field, form="scatter", normalize=True, mode="constant")
        quiet = np.where(np.arange(35).reshape(EXTENTS) == 2 * 5 + 3, 0, x)
        assert_near(found, ks.convolve(quiet, np.ones((3, 1)) / 3, form="scatter", mode="constant"))
        assert np.isnan(ks.correlate(x, field, normalize=True)[2, 3])
    complex_field = Dense(kernels * (1 + 1j))
    found = ks.convolve(x, complex_field, form="scatter", normalize=True, mode="constant")
    assert_near(found, ks.convolve(quiet, np.ones((3, 1)) / 3, form="scatter", mode="constant"))


def test_weights_that_are_nan_are_no_noise():
    kernels = np.ones((*EXTENTS, 3, 3))
    kernels[2, 3, 1, 1] = np.nan
    found = ks.correlate(X, Dense(kernels), normalize=True, invalid=-1.0)
    assert np.isnan(found[2, 3])
    assert np.isnan(found).sum() == 1
    sent = ks.convolve(X, Dense(kernels), form="scatter", normalize=True)
    assert np.isnan(sent).sum() == 9


def test_infinite_parts_of_complex_numbers_stay_apart():
    x = np.zeros(EXTENTS, complex)
    x[2, 3] = np.inf
    kernel = np.broadcast_to(np.array([[1j]]), (*EXTENTS, 1, 1)).copy()
    for field in (Dense(kernel), Dense(kernel.imag)):
        found = ks.convolve(x, field, form="scatter")
        assert not np.isnan(found.real if field.imag is None else found.imag).any()


def test_real_images_seen_as_complex_numbers():
    for name in ("dense", "gaussian", "grid"):
        field, _ = case_of(name)
        for form in FORMS:
            found = ks.correlate(X, field, form=form, dtype=complex)
            assert found.dtype == np.complex128
            np.testing.assert_array_equal(found, ks.correlate(X, field, form=form))


# -- what is refused ---------------------------------------------------------------------------------------------------


def holding_nan():
    dense = np.ones((*EXTENTS, *SIZE))
    dense[6, 4, 2, 3] = np.nan
    maps = np.ones((1, *EXTENTS))
    maps[0, 6, 4] = np.nan
    grid = np.ones((2, 2, *SIZE))
    grid[1, 1, 2, 3] = np.nan
    column = np.ones((*EXTENTS, 3))
    column[6, 4, 2] = np.nan
    scale = lambda dy, dx, s: s + 0 * dy  # noqa: E731
    return {
        "dense": Dense(dense),
        "imaginary part": Dense(1 + 1j * np.where(np.isnan(dense), np.nan, 1)),
        "separable": Separable(column, np.ones((*EXTENTS, 4))),
        "map": Combination(np.ones((1, *SIZE)), maps),
        "basis": Combination(dense[6:, 4], np.ones((1, *EXTENTS))),
        "polynomial": Combination(np.ones((1, *SIZE)), Chebyshev([[[np.nan]]])),
        "formula": Formula(scale, SIZE, maps[0]),
        "a number": Formula(scale, SIZE, np.nan),
        "grid": Grid(grid, ([0.0, 6.0], [0.0, 4.0])),
        "a single node": Grid(grid[1:, 1:], ([0.0], [0.0])),
        "scattered": Scattered(grid[1], [[0.0, 0.0], [6.0, 4.0]]),
    }


@pytest.mark.parametrize("name", holding_nan())
def test_nan_is_found_in_fields(name):
    field = holding_nan()[name]
    for form in FORMS:
        assert_refused(ArgumentError, "NaN", lambda f=form: ks.correlate(X, field, form=f, nan_policy="raise"))
    if field.imag is None:
        assert_refused(ArgumentError, "NaN", lambda: ks.apply(np.vdot, X, ks.kernel(field), nan_policy="raise"))
    x = X.copy()
    x[2, 3] = np.nan
    for form in FORMS:
        assert_refused(
            ArgumentError, "^input contains NaN",
            lambda f=form: ks.correlate(x, case_of("gaussian")[0], form=f, nan_policy="raise"),
        )  # fmt: skip
        assert_refused(
            ArgumentError, "^weights contains NaN",
            lambda f=form: ks.correlate(X, [[1, np.nan]], form=f, nan_policy="raise"),
        )  # fmt: skip
    np.testing.assert_array_equal(
        ks.correlate(X, case_of("grid")[0], nan_policy="raise"), ks.correlate(X, case_of("grid")[0])
    )


def test_fields_where_arrays_are_expected():
    field = Gaussian(np.ones(EXTENTS))
    text = r"got the kernel field Gaussian\(.*ks\.kernel\(field\).*field\.dense\(shape\)"
    for call in (
        lambda: ks.apply(np.vdot, X, field),
        lambda: ks.pixel(field),
        lambda: ks.window(field),
        lambda: ks.correlate(field, [[1.0]]),
        lambda: ks.apply(np.vdot, field, ks.kernel(np.ones((3, 3)))),
    ):
        assert_refused(ArgumentTypeError, text, call)
    assert_refused(ArgumentTypeError, "array to take windows from", lambda: ks.apply(np.sum, ks.kernel(field)))


COLOURS = {
    "gaussian": Gaussian(np.ones(EXTENTS)),
    "numbers": Gaussian(1.0, 2.0),
    "sized": Disc(1.0, size=SIZE),
    "formula": Formula(lambda dy, dx: dy * dx, SIZE),
    "dense": Dense(np.ones((*EXTENTS, *SIZE))),
    "separable": Separable(np.ones((*EXTENTS, 3)), np.ones((*EXTENTS, 4))),
    "grid": Grid(np.ones((2, 2, *SIZE)), ([0.0, 6.0], [0.0, 4.0])),
    "scattered": Scattered(np.ones((2, *SIZE)), [[0.0, 0.0], [6.0, 4.0]]),
    "polynomials": Combination(np.ones((1, *SIZE)), Chebyshev([[[1.0]]])),
}


@pytest.mark.parametrize("name", COLOURS)
def test_axes_are_suggested(name):
    field = COLOURS[name]
    for form in FORMS:
        text = r"window axes: axes=\(0, 1\)"
        assert_refused(ShapeError, text, lambda f=form: ks.correlate(np.ones((*EXTENTS, 3)), field, form=f))
        assert_refused(ShapeError, "2 window axes; got axes=0", lambda f=form: ks.correlate(X, field, form=f, axes=0))
    assert_refused(ShapeError, text, lambda: ks.apply(np.vdot, np.ones((*EXTENTS, 3)), ks.kernel(field)))
    if field.extents is not None:
        assert_refused(ShapeError, r"axes=\(1, 2\)", lambda: ks.correlate(np.ones((3, *EXTENTS)), field))
        assert_refused(ShapeError, r"(?=.*\(7, 5).*\(5, 7\)", lambda: ks.correlate(np.ones((5, 7)), field))
    assert_refused(ShapeError, "2 axes; got an array with 1", lambda: ks.correlate(np.ones(7), field))


def test_formulas_with_too_few_parameters():
    text = r"called as function\(d0, d1, a0\): with the offset along each axis and the 1 arguments .* of \(dy, dx\)"
    field = Formula(lambda dy, dx: dy * dx, 3, np.ones(EXTENTS))
    for call in (
        lambda: ks.correlate(X, field),
        lambda: field.at(0, 0),
        lambda: ks.apply(np.vdot, X, ks.kernel(field)),
    ):
        assert_refused(ArgumentTypeError, text, call)
    assert_refused(
        ArgumentTypeError, r"function\(d0\)", lambda: ks.correlate(np.ones(5), Formula(lambda dy, dx: dy * dx, 3))
    )
    for function in (np.hypot, lambda *values: values[0] * values[1], lambda dy, dx, scale=2.0: dy * dx * scale):
        assert Formula(function, 3).at(0, 0).shape == (3, 3)


def test_what_fields_are_made_of_is_shown_in_few_words():
    assert repr(case_of("gaussian")[0].bound(EXTENTS)) == (
        "Bound(float32 kernels 5x5 of Map(<float32 7x5>), Map(<uint8 7x5>))"
    )
    assert repr(Gaussian(1.5).bound(EXTENTS)) == "Bound(float64 kernels 13x13 of Table(1.5))"
    assert repr(Formula(np.hypot, 3).bound(EXTENTS)) == "Bound(float64 kernels 3x3 of nothing)"
    grid = Grid(np.ones((2, 3, *SIZE)), ([0.0, 6.0], [0.0, 2.0, 4.0]))
    assert repr(grid.bound(EXTENTS)) == "Blend(float64 kernels 3x4 between 2x3 of them)"
