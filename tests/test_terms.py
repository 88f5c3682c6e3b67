"""Kernels of low rank: their terms, and what is filtered with them, against the definition and the bounds of rounding.

The bounds are those of all other sums (`oracle/rounding.py`), with one addition where a kernel has weights of nearly 0:
these may act as 2^-20 eps of the largest weight.
"""

import functools
import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given, settings
from hypothesis import strategies as st

import kernelscape as ks
from kernelscape.api.arguments import kernel_argument
from kernelscape.errors import ArgumentError
from kernelscape.expression import constant as number
from kernelscape.expression import finite, to_text, usual
from kernelscape.methods.separable import factors
from kernelscape.methods.terms import terms
from kernelscape.reference import evaluate
from kernelscape.verification import MalformedExpressionError, verify
from tests.oracle.rounding import assert_within, bounds

RNG = np.random.default_rng(29)
IMAGE = RNG.normal(0, 1, (37, 90)).astype(np.float32)
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


def weigh(w, k):
    return np.sum(w * k)


def line(size, sigma):
    made = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    return made / made.sum()


def gaussian(size, sigma):
    return np.outer(line(size, sigma), line(size, sigma))


def laplacian(size, sigma):
    y, x = np.mgrid[:size, :size] - size // 2
    r = (x**2 + y**2) / (2 * sigma**2)
    return (r - 1) * np.exp(-r)


def gabor(size, sigma, wavelength, angle, phase=0.0):
    y, x = np.mgrid[:size, :size] - size // 2
    along = (x * np.cos(angle) + y * np.sin(angle)) / wavelength
    return np.exp(-(x**2 + y**2) / (2 * sigma**2)) * np.cos(2 * np.pi * along + phase)


def sharpening(size, sigma):
    made = -gaussian(size, sigma)
    made[size // 2, size // 2] += 2
    return made


def product_sum(rank, shape, seed, floor=1.0):
    """Positive products: nothing cancels in the kernel."""
    rng = np.random.default_rng(seed)
    return sum(np.outer(rng.uniform(floor, 2, shape[0]), rng.uniform(floor, 2, shape[1])) for _ in range(rank))


# Each with the rank, and the dtype of the terms, of the kernel in float32.
KERNELS = {
    "difference of Gaussians": (gaussian(15, 2.0) - gaussian(15, 3.2), 2, F64),
    "difference that cancels little": (gaussian(15, 1.4) - gaussian(15, 2.3), 2, F32),
    "Laplacian with zeros": (laplacian(15, 2), 2, F64),
    "Gabor": (gabor(21, 4, 8, 0.6), 2, F64),
    "odd Gabor": (gabor(21, 4, 8, 0.6, np.pi / 2), 2, F64),
    "odd diagonal Gabor": (gabor(17, 3, 6, np.pi / 4, np.pi / 2), 2, F64),
    "sharpening": (sharpening(9, 1.5), 2, F32),
    "two Gaussians": (gaussian(15, 1.5) + 0.3 * gaussian(15, 4), 2, F32),
    "three products": (product_sum(3, (16, 15), 3), 3, F32),
    "four products": (product_sum(4, (19, 20), 4), 4, F32),
    "tiny weights": (laplacian(15, 2.2) * 1e-30, 2, F64),
    "huge weights": (laplacian(15, 2.2) * 1e30, 2, F64),
    "zero rows": (np.pad(gaussian(11, 1.5) - gaussian(11, 3), 2), 2, F64),
}
OTHERS = {
    "random": RNG.normal(0, 1, (15, 15)),
    "small": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0.0]]),
    "two products of 49": product_sum(2, (7, 7), 8),
    "a line": np.arange(40.0)[None],
    "nothing": np.zeros((15, 15)),
    "not finite": np.where(np.eye(15) > 0, np.inf, 1.0),
    "not a number": np.where(np.eye(15) > 0, np.nan, 1.0),
    "three axes": np.ones((15, 15, 15)),
}


def kernel_of(name, dtype=np.float32):
    return KERNELS[name][0].astype(dtype)


def assert_defined(found, image, kernel, slack=0.0, **words):
    """Within the rounding of the definition's sum; `slack` is the part of eps max|w| that each weight may be off."""
    plan = ks.stencil(weigh, method="terms", **words).plan(image, kernel_argument(kernel))
    assert plan.method == "terms"
    job = replace(plan.job, output_dtypes=(found.dtype,))
    wanted, limit = evaluate(job, [image], [kernel])[0], bounds(job, [image], [kernel])[0]
    if slack:
        sizes = evaluate(job, [np.abs(image)], [np.ones_like(kernel)])[0].astype(np.float64)
        more = slack * np.finfo(kernel.dtype).eps * np.abs(kernel).max() * sizes
        limit = limit + np.where(np.isfinite(more), more, 0)
    assert_within(found, wanted, limit)


def assert_terms(found, kernel, rank, dtype):
    assert (found.rank, found.dtype, found.sums) == (rank, dtype, kernel.dtype)
    made = sum(np.outer(a.astype(np.float64), b) for a, b in found.vectors)
    eps, size = np.finfo(kernel.dtype).eps, np.abs(kernel.astype(np.float64))
    assert (np.abs(made - kernel) <= eps * np.maximum(kernel.size / 2 * size, 2.0**-20 * size.max())).all()


def test_comparisons_can_fail():
    kernel = kernel_of("Gabor")
    found = ks.correlate(IMAGE, kernel, method="terms")
    assert_defined(found, IMAGE, kernel)
    with pytest.raises(AssertionError):
        assert_defined(found + np.float32(0.1), IMAGE, kernel)
    with pytest.raises(AssertionError):
        assert_terms(terms(kernel), kernel * np.float32(1.0001), 2, F64)


# -- the terms of a kernel ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KERNELS)
def test_terms(name):
    kernel, (_, rank, dtype) = kernel_of(name), KERNELS[name]
    assert factors(kernel) is None
    assert_terms(terms(kernel), kernel, rank, dtype)
    turned = np.ascontiguousarray(kernel.T)
    assert_terms(terms(turned), turned, rank, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OTHERS)
def test_kernels_without_terms(name, dtype):
    assert terms(OTHERS[name].astype(dtype)) is None


def test_kernels_of_other_dtypes_have_no_terms():
    for dtype in (np.float16, np.int64, np.uint8):
        assert terms(product_sum(2, (12, 12), 0).astype(dtype)) is None


def test_float64_has_terms_where_they_do_not_cancel():
    assert_terms(terms(kernel_of("three products", np.float64)), kernel_of("three products", np.float64), 3, F64)
    assert terms(kernel_of("Laplacian with zeros", np.float64)) is None


@pytest.mark.parametrize(("power", "dtype"), [(-140, None), (-119, F64), (-60, F32), (60, F32), (125, F32)])
def test_tiny_and_huge_weights(power, dtype):
    """In float64 where vectors of float32 would be rounded once more; without terms where weights themselves are."""
    kernel = np.ldexp(sharpening(9, 1.5), power).astype(np.float32)
    found = terms(kernel)
    if dtype is None:
        assert found is None
        return
    assert_terms(found, kernel, 2, dtype)
    image = np.ldexp(IMAGE, -power // 2)
    assert_defined(ks.correlate(image, kernel, method="terms"), image, kernel, 2.0**-20)


def test_a_decomposition_that_does_not_converge_is_no_error(monkeypatch):
    def fail(*args, **words):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(np.linalg, "svd", fail)
    assert terms(kernel_of("Gabor")) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("last", [1e-3, 1e-6, 1e-8, 1e-11, 1e-17])
def test_small_singular_values_are_left_out_only_where_rounding_covers_them(dtype, last):
    """The terms are those of the kernel as it is; how many they are depends on what rounding covers."""
    first, second = product_sum(1, (17, 17), 1), product_sum(1, (17, 17), 2)
    kernel = (first + last * second).astype(dtype)
    found = terms(kernel)
    rank = 1 if last <= (1e-6 if dtype == np.float32 else 1e-17) else 2
    assert found.rank in ((rank,) if rank == 2 else (1, 2))
    assert_terms(found, kernel, found.rank, found.dtype)
    image = IMAGE.astype(dtype)
    if factors(kernel) is None:
        assert_defined(ks.correlate(image, kernel, method="terms"), image, kernel)


# -- filters -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KERNELS)
def test_filters(name):
    kernel = kernel_of(name)
    slack = 2.0**-20 if np.abs(kernel).min() < 1e-5 * np.abs(kernel).max() else 0
    assert_defined(ks.correlate(IMAGE, kernel, method="terms"), IMAGE, kernel, slack)


@pytest.mark.parametrize("name", KERNELS)
def test_they_are_as_exact_as_the_sum_itself(name):
    kernel = kernel_of(name)
    scale = 2.0 ** -np.frexp(np.abs(kernel).max())[1]  # SciPy leaves out tiny weights
    wanted = ndi.convolve(IMAGE.astype(np.float64), kernel.astype(np.float64) * scale) / scale
    errors = [np.abs(ks.convolve(IMAGE, kernel, method=m) - wanted).max() for m in ("terms", "direct")]
    assert errors[0] <= 1.2 * errors[1]


@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap", "constant"])
def test_modes(mode):
    for name in ("Gabor", "four products"):
        kernel = kernel_of(name)
        found = ks.correlate(IMAGE, kernel, mode=mode, cval=2.5, method="terms")
        assert_defined(found, IMAGE, kernel, mode=mode, cval=2.5)


def test_geometry():
    kernel = kernel_of("four products")
    for stride, dilation, origin in itertools.product((1, (2, 1)), (1, (1, 2)), (0, (-3, 4))):
        words = {"stride": stride, "dilation": dilation, "origin": origin, "mode": "wrap"}
        assert_defined(ks.correlate(IMAGE, kernel, method="terms", **words), IMAGE, kernel, **words)
    for padding in ("valid", "full"):
        found = ks.correlate(IMAGE, kernel, method="terms", padding=padding)
        assert_defined(found, IMAGE, kernel, padding=padding)


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (1, 40), (40, 1), (3, 7), (16, 15)], ids=str)
def test_small_images(shape):
    image = RNG.normal(0, 1, shape).astype(np.float32)
    found = ks.correlate(image, kernel_of("Gabor"), method="terms")
    if found.size:
        assert_defined(found, image, kernel_of("Gabor"))
    assert found.shape == shape


def test_layouts():
    kernel = kernel_of("three products")
    wanted = ks.correlate(IMAGE, kernel, method="terms")
    wide = np.zeros((37, 180), np.float32)
    wide[:, ::2] = IMAGE
    for same in (wide[:, ::2], IMAGE[::-1, ::-1][::-1, ::-1], IMAGE.astype(">f4")):
        np.testing.assert_array_equal(ks.correlate(same, kernel, method="terms"), wanted)
    columns = ks.correlate(np.asfortranarray(IMAGE), kernel, method="terms")
    np.testing.assert_allclose(columns, wanted, rtol=1e-5, atol=1e-4)
    colours = np.stack([IMAGE, 2 * IMAGE, -IMAGE], axis=-1)
    found = ks.correlate(colours, kernel, axes=(0, 1), method="terms")
    np.testing.assert_array_equal(found, np.stack([wanted, 2 * wanted, -wanted], axis=-1))


@pytest.mark.parametrize("name", ["Gabor", "sharpening"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_integers(dtype, name):
    kernel, image = kernel_of(name), RNG.integers(0, 30000, (40, 70)).astype(dtype)
    found = ks.correlate(image, kernel, method="terms")
    assert found.dtype == np.result_type(dtype, np.float32)
    assert_defined(found, image, kernel)
    for output in (np.uint8, np.int16):
        assert_defined(ks.correlate(image, kernel, method="terms", output=output), image, kernel)


def test_float64():
    kernel, image = kernel_of("three products", np.float64), IMAGE.astype(np.float64)
    assert_defined(ks.correlate(image, kernel, method="terms"), image, kernel)


SPECIAL = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e20, 1e-40, -0.0, 0.0]


def special(seed, count, shape=IMAGE.shape):
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 1, shape).astype(np.float32)
    image[rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)] = rng.choice(SPECIAL, count)
    return image


@pytest.mark.parametrize("name", KERNELS)
def test_what_is_not_finite_is_as_defined(name):
    """NaN and infinities, beside weights of 0 too, and what overflows on the way; all else is untouched."""
    kernel = kernel_of(name)
    for seed in range(4):
        image = special(seed, 5)
        found = ks.correlate(image, kernel, method="terms")
        wanted = ks.correlate(image, kernel, method="direct")
        reached = ndi.maximum_filter(~np.isfinite(image), kernel.shape)
        np.testing.assert_array_equal(found[reached], wanted[reached])
    image = IMAGE.copy()
    image[20, 40] = np.inf
    there = ndi.maximum_filter(~np.isfinite(image), kernel.shape, mode="reflect")
    found, clean = (ks.correlate(i, kernel, method="terms") for i in (image, IMAGE))
    np.testing.assert_array_equal(found[~there], clean[~there])
    assert not np.isfinite(found[there]).any()


@functools.cache
def random_kernel(rank, rows, columns, seed):
    """Weights that are the sum of some products, each off by up to 20 roundings."""
    made = product_sum(rank, (rows, columns), seed, floor=0.3)
    noise = np.random.default_rng(seed).uniform(-20, 20, made.shape)
    return (made * (1 + np.finfo(np.float32).eps * noise)).astype(np.float32)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    rank=st.integers(1, 4), size=st.sampled_from([(17, 18), (20, 19), (23, 16)]), seed=st.integers(0, 5),
    image=st.integers(0, 1000), count=st.sampled_from([0, 1, 3, 12, 60]),
    mode=st.sampled_from(["reflect", "constant", "wrap"]),
)  # fmt: skip
def test_any_image(rank, size, seed, image, count, mode):
    kernel, pixels = random_kernel(rank, *size, seed), special(image, count, (24, 41))
    assert (terms(kernel).rank, factors(kernel)) == (rank, None)
    assert_defined(ks.correlate(pixels, kernel, mode=mode, method="terms"), pixels, kernel, mode=mode)


def test_integer_outputs_see_infinities_before_they_are_converted():
    kernel, image = kernel_of("Gabor"), IMAGE.copy()
    image[20, 40], image[5, 80] = np.inf, -3e38
    found = ks.correlate(image, kernel, method="terms", output=np.int16, invalid=-7)
    wanted = ks.correlate(image, kernel, method="direct", output=np.int16, invalid=-7)
    there = ndi.maximum_filter(np.abs(image) > 1e30, kernel.shape)
    np.testing.assert_array_equal(found[there], wanted[there])
    assert np.abs(found.astype(int) - wanted)[~there].max() <= 1


def test_bits_do_not_depend_on_the_work_being_cut():
    image = special(3, 40, (150, 700))
    for name in ("Gabor", "sharpening"):
        kernel = kernel_of(name)
        whole = ks.correlate(image, kernel, method="terms", workers=1)
        for workers in (2, 3):
            np.testing.assert_array_equal(ks.correlate(image, kernel, method="terms", workers=workers), whole)
        at = RNG.random(image.shape) < 0.01
        some = ks.correlate(image, kernel, at=at, otherwise=0, method="terms")
        np.testing.assert_array_equal(some, np.where(at, whole, np.float32(0)))
        part = ks.correlate(image[40:120, 100:500], kernel, method="terms")
        np.testing.assert_array_equal(part[12:-12, 12:-12], whole[52:108, 112:488])
        points = RNG.integers((0, 0), image.shape, (50, 2))
        picked = ks.sample(ks.stencil(weigh, method="terms"), image, ks.kernel(kernel), points=points)
        np.testing.assert_array_equal(picked, whole[tuple(points.T)])


@pytest.mark.parametrize("words", [{"checked": True}, {"target": "x86-64"}, {"target": "x86-64-v3"}], ids=str)
def test_the_checked_build_and_older_processors(words):
    image, kernel = special(5, 6), kernel_of("three products")
    with ks.configure(**words):
        assert_defined(ks.correlate(image, kernel, method="terms"), image, kernel)


def test_gaps_and_normalisation():
    where, kernel = RNG.random(IMAGE.shape) < 0.8, kernel_of("two Gaussians")
    for normalize in (False, True, "valid"):
        words = {"where": where, "normalize": normalize}
        found = ks.correlate(IMAGE, kernel, method="terms", **words)
        wanted = ks.correlate(IMAGE, kernel, method="direct", **words)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    image = np.where(where, IMAGE, np.nan)
    image[3, 3] = np.inf
    found = ks.correlate(image, kernel, method="terms", nan_policy="omit")
    wanted = ks.correlate(image, kernel, method="direct", nan_policy="omit")
    np.testing.assert_array_equal(np.isinf(found), np.isinf(wanted))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_complex_numbers_and_functions_of_several_kernels():
    image = (IMAGE + 1j * IMAGE[::-1]).astype(np.complex64)
    found = ks.correlate(image, kernel_of("Gabor"), method="terms")
    parts = [ks.correlate(p, kernel_of("Gabor"), method="terms") for p in (image.real, image.imag)]
    np.testing.assert_array_equal(found, parts[0] + 1j * parts[1])
    pair = kernel_of("Gabor"), kernel_of("odd Gabor")
    image = IMAGE.copy()
    image[8, 9] = np.inf
    found = ks.apply(
        lambda w, a, b: np.hypot(np.sum(w * a), np.sum(w * b)), image, *map(ks.kernel, pair), method="terms"
    )
    sums = [ks.correlate(image, k, method="direct") for k in pair]
    np.testing.assert_allclose(found, np.hypot(*sums), rtol=0, atol=1e-4)


# -- choice and words --------------------------------------------------------------------------------------------------


def test_it_is_chosen_where_it_is_cheaper_and_says_so():
    weighted = ks.stencil(weigh)
    plan = weighted.plan(IMAGE, ks.kernel(kernel_of("Gabor")))
    assert plan.method == "terms"
    said = plan.explain()
    assert "a sum of 2 outer products, in float64: 2 * (21 + 21) products instead of 441" in said
    assert "off by at most 220.5 eps" in said
    assert weighted.plan(IMAGE, ks.kernel(OTHERS["random"].astype(np.float32))).method == "direct"
    with pytest.raises(ArgumentError, match="no kernel is a sum of few outer products"):
        ks.correlate(IMAGE, OTHERS["random"], method="terms")
    with pytest.raises(ArgumentError, match="may lack samples"):
        ks.correlate(IMAGE, kernel_of("Gabor"), mode="shrink", method="terms")


def test_a_plan_checks_itself():
    for kernel, method in ((kernel_of("Gabor"), "terms"), (gaussian(15, 2).astype(np.float32), "separable")):
        check = ks.plan(ks.correlate, IMAGE, kernel, method=method).check()
        assert 0 < check.error <= check.bound < 1e-5


def test_kernels_of_one_rank_share_a_plan():
    kernels = kernel_of("Gabor"), kernel_of("Gabor") * np.float32(3), kernel_of("odd Gabor")
    for kernel in kernels:
        assert_defined(ks.correlate(IMAGE, kernel, method="terms"), IMAGE, kernel, 2.0**-20)


def test_the_node():
    one, two = number(1.0, F32), number(2.0, F32)
    node = finite(one, two)
    assert to_text([node]).splitlines()[2] == "%2: float32 scalar = finite %0 %1"
    assert usual([node]) == (one,)
    verify([node])
    with pytest.raises(MalformedExpressionError, match="same shape and dtype"):
        verify([finite(one, number(2.0, F64))])
