"""Fixed kernels through Fourier transforms: the results of the exact method, up to an error that is stated.

Results are compared with SciPy's (same modes) and with the exact method in float64 (strides, dilations, paddings,
batches, complex numbers), and the stated bound has to hold for each. Blocks are made small on purpose, so that several
of them, ragged ones too, lie side by side.
"""

import itertools

import numpy as np
import pytest
from scipy import ndimage, signal

import kernelscape as ks
from kernelscape.errors import ArgumentError
from kernelscape.machine import Rates
from kernelscape.methods import fft
from kernelscape.methods.fft import Filter, bound_of, overlap

MODES = ("reflect", "mirror", "nearest", "wrap", "constant")
rng = np.random.default_rng(11)
IMAGE = rng.normal(size=(45, 52)) + 3.0
KERNEL = rng.normal(size=(7, 6))


@pytest.fixture(params=["large", "small"])
def blocks(request, monkeypatch):
    """Blocks as they are chosen, and blocks of a few outputs, of which some are transformed together."""
    if request.param == "small":
        monkeypatch.setattr(fft, "_ways", lambda job: iter([tuple(_lines(job))]))
    return request.param


def _lines(job):
    for size, dilation, stride, count in zip(job.weights.shape, job.dilation, job.strides, job.counts, strict=True):
        yield fft._line(count, stride, dilation * (size - 1), min(11, count))


def assert_within_bound(plan, wanted, dtype=np.float64):
    """The result of a plan is the wanted one up to what the plan promises, and by far."""
    __tracebackhide__ = True
    assert plan.method == "fft", plan.explain()
    result = plan.run()
    assert result.shape == wanted.shape
    error = float(np.abs(result - wanted).max(initial=0.0))
    assert error <= plan.promise
    scale = float(np.abs(wanted).max(initial=1.0))
    assert error <= 200 * np.finfo(dtype).eps * scale, f"an error of {error} beside numbers of {scale}"


def planned(operation, image, kernel, **words):
    return ks.plan(operation, image, kernel, method="fft", **words)


# -- against others ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operation", [ks.correlate, ks.convolve])
def test_results_are_scipys(operation, mode):
    for image, kernel, origin in (
        (IMAGE, KERNEL, 0),
        (IMAGE, KERNEL, (2, -3)),
        (IMAGE[0], KERNEL[0], 1),
        (rng.normal(size=(9, 8, 11)), rng.normal(size=(3, 4, 5)), 0),
        (IMAGE[:4, :5], KERNEL, 0),
    ):
        reference = ndimage.correlate if operation is ks.correlate else ndimage.convolve
        # SciPy's modes are defined for windows up to the size of the array; the exact method knows larger ones.
        small = any(k > n for k, n in zip(kernel.shape, image.shape, strict=True))
        words = {"mode": mode, "cval": 2.5, "origin": origin}
        wanted = operation(image, kernel, **words) if small else reference(image, kernel, **words)
        assert_within_bound(planned(operation, image, kernel, **words), wanted)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("operation", [ks.correlate, ks.convolve])
@pytest.mark.parametrize("padding", ["same", "valid", "full", 3, ((2, 0), (0, 5))])
def test_strides_dilations_and_paddings(operation, padding):
    for stride, dilation, mode in itertools.product((1, (2, 3)), (1, (2, 1)), ("reflect", "constant")):
        words = {"stride": stride, "dilation": dilation, "padding": padding, "mode": mode, "cval": -1.0}
        assert_within_bound(planned(operation, IMAGE, KERNEL, **words), operation(IMAGE, KERNEL, **words))


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("mode", ["valid", "shrink"])
def test_modes_without_samples_outside(mode):
    assert_within_bound(planned(ks.correlate, IMAGE, KERNEL, mode=mode), ks.correlate(IMAGE, KERNEL, mode=mode))


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("operation", [ks.correlate, ks.convolve])
def test_complex_numbers(operation):
    image, kernel = IMAGE + 1j * IMAGE[::-1], KERNEL - 2j * KERNEL[:, ::-1]
    for one, other in ((image, kernel), (image, KERNEL), (image.astype(np.complex64), kernel)):
        words = {"mode": "constant", "cval": 1.0 - 1.0j}
        narrow = np.float32 if one.dtype == np.complex64 else np.float64
        wanted = operation(one.astype(complex), other, **words)
        assert_within_bound(planned(operation, one, other, **words), wanted, narrow)
    assert_within_bound(planned(operation, IMAGE, kernel), operation(IMAGE, kernel))


@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("operation", [ks.correlate, ks.convolve])
def test_a_scatter_is_a_gather_where_nothing_is_folded_twice(operation, form):
    for mode in ("wrap", "constant", "shrink"):
        words = {"form": form, "mode": mode, "origin": (1, -1), "stride": 2}
        assert_within_bound(planned(operation, IMAGE, KERNEL, **words), operation(IMAGE, KERNEL, **words))


def test_a_scattered_constant_comes_from_nowhere():
    words = {"form": "scatter", "mode": "constant", "cval": 5.0}
    assert_within_bound(planned(ks.convolve, IMAGE, KERNEL, **words), ks.convolve(IMAGE, KERNEL, **words))


@pytest.mark.usefixtures("blocks")
def test_batches_axes_and_orders_of_memory():
    stack = rng.normal(size=(31, 3, 33))
    for axes in ((0, 2), (2, 0), (-1, 0)):
        words = {"axes": axes}
        assert_within_bound(planned(ks.correlate, stack, KERNEL, **words), ks.correlate(stack, KERNEL, **words))
    for view in (IMAGE[::-1, ::2], np.asfortranarray(IMAGE), IMAGE.astype(">f8"), np.broadcast_to(IMAGE[0], (20, 52))):
        assert_within_bound(planned(ks.convolve, view, KERNEL), ks.convolve(view, KERNEL))


def test_against_scipys_own_transforms():
    image, kernel = rng.normal(size=(200, 210)), rng.normal(size=(41, 60))
    got = ks.convolve(image, kernel, padding="full", mode="constant", method="fft")
    np.testing.assert_allclose(got, signal.fftconvolve(image, kernel), rtol=0, atol=1e-10)


# -- dtypes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.int32, np.bool_])
def test_results_have_the_dtype_of_the_exact_ones(dtype):
    image = np.abs(20 * IMAGE).astype(dtype)
    for output in (None, np.float32, np.uint8):
        exact = ks.correlate(image, np.abs(KERNEL), output=output)
        found = ks.correlate(image, np.abs(KERNEL), output=output, method="fft")
        assert found.dtype == exact.dtype
        np.testing.assert_allclose(found.astype(float), exact.astype(float), rtol=2e-3, atol=1)


def test_a_wider_sum_means_wider_transforms():
    image = IMAGE.astype(np.float32)
    plan = planned(ks.correlate, image, KERNEL, accumulate=np.float64)
    exact = ks.correlate(image.astype(float), KERNEL)
    assert np.abs(plan.run().astype(float) - exact).max() <= 2**-23 * np.abs(exact).max()


def test_output_may_be_the_input():
    image = IMAGE.copy()
    wanted = ks.correlate(image, KERNEL, method="fft")
    assert ks.correlate(image, KERNEL, method="fft", output=image) is image
    np.testing.assert_array_equal(image, wanted)


# -- tolerance and choice ----------------------------------------------------------------------------------------------


def test_a_tolerance_alone_chooses_transforms_for_large_kernels_only():
    image = rng.normal(size=(600, 600))
    large, small = rng.normal(size=(61, 61)), rng.normal(size=(3, 3))
    with ks.configure(target="x86-64-v3"):
        assert ks.plan(ks.correlate, image, large, tol=1e-6).method == "fft"
        assert ks.plan(ks.correlate, image, small, tol=1e-6).method == "exact"
        assert ks.plan(ks.correlate, image, large).method == "exact"
        assert ks.plan(ks.correlate, image, large, tol=1e-16).method == "exact"
        text = ks.plan(ks.correlate, image, large, tol=1e-16).explain()
    assert "not fft: rounding of transforms forbids errors below" in text


def test_narrow_transforms_are_taken_where_they_are_good_enough():
    image = rng.normal(size=(300, 300)).astype(np.float32)
    kernel = np.abs(rng.normal(size=(45, 45)))
    dtypes = {tol: ks.plan(ks.correlate, image, kernel, tol=tol).explain() for tol in (1e-1, 1e-5)}
    assert "in float32)" in dtypes[1e-1]
    assert "in float64)" in dtypes[1e-5]
    for tol in (1e-1, 1e-5):
        plan = ks.plan(ks.correlate, image, kernel, tol=tol)
        assert plan.promise <= plan.tolerance
        found = plan.check(samples=50)
        assert found.error <= found.bound <= plan.promise


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_the_bound_is_close_to_the_error(dtype, mean):
    image = (rng.normal(size=(90, 80)) + mean).astype(dtype)
    plan = planned(ks.convolve, image, KERNEL)
    found = plan.check(samples=500)
    assert found.error <= found.bound <= plan.promise
    assert found.bound <= 20 * found.error


def test_results_do_not_depend_on_workers():
    image, kernel = rng.normal(size=(333, 400)), rng.normal(size=(31, 33))
    results = [ks.correlate(image, kernel, method="fft", workers=workers) for workers in (1, 2, 5)]
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()


def test_exact_forbids_transforms():
    image, kernel = rng.normal(size=(600, 600)), rng.normal(size=(61, 61))
    plan = ks.plan(ks.correlate, image, kernel, tol=1e-2, method="exact")
    assert plan.method == "exact"
    with ks.configure(target="x86-64-v3"):
        direct = ks.correlate(image[:90, :90], kernel, tol=1e-2, method="direct")
        np.testing.assert_array_equal(direct, ks.correlate(image[:90, :90], kernel))


# -- samples that are not finite ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", ["plane", "line", "complex"])
def test_what_is_not_finite_touches_its_own_windows_only(value, shape, monkeypatch):
    for name, value_of in (("GAIN", np.inf), ("FEW", 0), ("LEAST", 0)):
        monkeypatch.setattr(f"kernelscape.api.overlap.{name}", value_of)
    image = IMAGE[0].copy() if shape == "line" else IMAGE.copy()
    kernel = KERNEL[0] if shape == "line" else KERNEL
    image = image + 1j * image if shape == "complex" else image
    image[(20,) * image.ndim] = value
    plan = ks.plan(ks.correlate, image, kernel, tol=1e-3, stride=2)
    assert plan.method == "fft"
    exact = ks.correlate(image, kernel, stride=2)
    result = plan.run()
    assert np.isfinite(exact).sum() < exact.size
    np.testing.assert_array_equal(np.isfinite(result), np.isfinite(exact))
    np.testing.assert_array_equal(np.isnan(result), np.isnan(exact))
    there = np.isfinite(exact)
    assert np.abs(result[there] - exact[there]).max() <= plan.promise


def test_transforms_by_name_refuse_what_is_not_finite():
    for value in (np.nan, np.inf):
        image = IMAGE.copy()
        image[3, 4] = value
        with pytest.raises(ArgumentError, match=r"method='fft' mixes .* NaN or infinities.*np\.nan_to_num.*tol="):
            ks.correlate(image, KERNEL, method="fft")


def test_sums_that_could_overflow_are_for_the_exact_method():
    image = np.full((64, 64), 1e38, np.float32)
    kernel = np.zeros((15, 15), np.float32)
    kernel[7, 7] = 1.0
    plan = ks.plan(ks.correlate, image, kernel, method="fft")
    assert "in float64" in plan.explain()
    np.testing.assert_allclose(plan.run(), image, rtol=1e-6)
    with pytest.raises(ArgumentError, match="could overflow"):
        ks.correlate(np.full((64, 64), 1e307), kernel, method="fft")
    with pytest.raises(ArgumentError, match="weights are not finite"):
        ks.correlate(IMAGE, KERNEL * np.nan, method="fft")


# -- what is refused ---------------------------------------------------------------------------------------------------

COUNTS = np.arange(20, dtype=np.int64).reshape(4, 5)
REFUSED = {
    "integers": (COUNTS, np.ones((3, 3), int), {}, "the result is int64"),
    "normalize": (IMAGE, KERNEL, {"normalize": True}, "divides by sums of weights"),
    "where": (IMAGE, KERNEL, {"where": IMAGE > 0}, "some samples do not count"),
    "omit": (IMAGE, KERNEL, {"nan_policy": "omit"}, "some samples do not count"),
    "masked": (np.ma.masked_less(IMAGE, 0), KERNEL, {}, "some samples do not count"),
    "min_count": (IMAGE, KERNEL, {"min_count": 3}, "min_count"),
    "folds": (IMAGE, KERNEL, {"form": "scatter"}, "a scatter is a gather under the modes"),
    "shrink, outside": (IMAGE, KERNEL, {"mode": "shrink", "padding": "full"}, "may have no valid sample"),
    "at": (IMAGE, KERNEL, {"at": IMAGE > 0}, "computes the whole filter"),
    "a field": (IMAGE, ks.kernels.Gaussian(np.full(IMAGE.shape, 1.0) + IMAGE / 99), {}, "one kernel for all pixels"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_transforms_cannot_give_is_refused(name):
    image, kernel, words, reason = REFUSED[name]
    with pytest.raises(ArgumentError, match=rf"method='fft'.*{reason}"):
        ks.correlate(image, kernel, method="fft", **words)


def test_empty_arrays():
    assert ks.correlate(np.zeros((0, 5)), KERNEL, tol=1e-3).shape == (0, 5)
    with pytest.raises(ArgumentError, match="there is nothing to compute"):
        ks.correlate(np.zeros((0, 5)), KERNEL, method="fft")


def test_one_pixel():
    np.testing.assert_allclose(ks.correlate(np.ones((1, 1)), KERNEL, method="fft"), [[KERNEL.sum()]])


# -- the design --------------------------------------------------------------------------------------------------------


def filter_of(weights, counts, **changes):
    ndim = weights.ndim
    words = {
        "dilation": (1,) * ndim, "strides": (1,) * ndim, "counts": counts, "images": 1, "inner": np.dtype(np.float32),
        "is_complex": False, "spread": 1.0, "centre": 0.0,
    }  # fmt: skip
    return Filter(weights=weights, **(words | changes))


@pytest.mark.parametrize("counts", [(1,), (100_000,), (1, 1), (5, 3000), (700, 900), (60, 50, 40), (9, 9, 9, 9)])
def test_blocks_cover_all_outputs_once(counts):
    design = overlap(filter_of(np.ones((5,) * len(counts)), counts), Rates(), None)
    for line, count in zip(design.lines, counts, strict=True):
        parts = list(line.parts())
        assert [a for a, _ in parts] == [0, *(b for _, b in parts[:-1])]
        assert parts[-1][1] == count
        assert len(parts) == line.blocks
        assert line.seen <= line.length


def test_the_bound_grows_with_what_is_seen_and_shrinks_with_precision():
    job = filter_of(np.ones((9, 9)), (200, 200))
    lines = overlap(job, Rates(), None).lines
    narrow, wide = (bound_of(job, lines, np.dtype(t)) for t in (np.float32, np.float64))
    assert narrow > 1e5 * (wide - bound_of(filter_of(np.ones((9, 9)), (200, 200)), lines, np.dtype(np.longdouble)))
    assert bound_of(filter_of(np.ones((9, 9)), (200, 200), spread=2.0), lines, np.dtype(np.float32)) > narrow
    assert bound_of(filter_of(np.ones((9, 9)), (200, 200), spread=1e38), lines, np.dtype(np.float32)) == np.inf
