"""Scatters of large images: balanced sources are made for some rows of outputs at a time.

What is compared: the image that comes of strips, with the one from all sources at once, bit for bit; over fields,
modes, forms of kernels, dimensions and widths of strips. What the image should be is another test's business
(`tests/conformance/test_fields.py`).

Where factors of kernels are computed beforehand the sums are others, so those are compared with a tolerance: each
weight is one exponential or a product of two, within 8 epsilons of each other.
"""

import tracemalloc

import numpy as np
import pytest

import kernelscape as ks
from kernelscape.api import scatter, scattered_factors
from kernelscape.kernels.box import bound_at

EXTENTS = (23, 29)
MODES = ["reflect", "mirror", "nearest", "wrap", "constant", "shrink", ("wrap", "constant"), ("shrink", "mirror")]


def image_and_map(shape=EXTENTS):
    rng = np.random.default_rng(0)
    return rng.normal(size=shape).astype(np.float32), rng.uniform(0.0, 2.0, shape).astype(np.float32)


def hill(dy, dx, width, y, x):
    return (1 + y / 40 + x / 50) / (1 + dy**2 + width * dx**2)


FIELDS = {
    "gaussian": lambda width: ks.kernels.Gaussian(width, size=(7, 6)),
    "gaussian, own windows": lambda width: ks.kernels.Gaussian(width),
    "gaussian, oriented": lambda width: ks.kernels.Gaussian(width, 0.5 + width, angle=3 * width, size=5),
    "disc": lambda width: ks.kernels.Disc(1.5 * width),
    "formula": lambda width: ks.kernels.Formula(hill, (5, 4), width, ks.index(0), ks.index(1)),
}


def both_ways(monkeypatch, scattered, source_bytes, together_bytes=scatter.TOGETHER_BYTES):
    """The same image at once and in strips; both ways are known to have run."""
    calls = []
    strips = scatter.Scatter.strips
    monkeypatch.setattr(scatter.Scatter, "strips", lambda *words: calls.append(1) or strips(*words))
    monkeypatch.setattr(scatter, "SOURCE_BYTES", 1 << 40)
    at_once = scattered()
    assert not calls
    monkeypatch.setattr(scatter, "SOURCE_BYTES", source_bytes)
    monkeypatch.setattr(scatter, "TOGETHER_BYTES", together_bytes)
    in_strips = scattered()
    assert calls
    return at_once, in_strips


@pytest.mark.parametrize("function", [ks.correlate, ks.convolve])
@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("name", FIELDS)
def test_strips_give_the_same_bits(name, mode, function, monkeypatch):
    x, width = image_and_map()
    field, normalize = FIELDS[name](width), name == "formula"
    for source_bytes, together_bytes in [(1, 1 << 26), (1000, 0)]:
        found = both_ways(
            monkeypatch,
            lambda: function(x, field, form="scatter", mode=mode, normalize=normalize),
            source_bytes,
            together_bytes,
        )
        np.testing.assert_array_equal(*found)
        monkeypatch.undo()


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize(
    "words", [{"dilation": (2, 3)}, {"origin": (-1, 2)}, {"stride": 2, "padding": "valid"}], ids=str
)
def test_options_of_windows(words, workers, monkeypatch):
    x, width = image_and_map()
    field = ks.kernels.Gaussian(width, size=(4, 5))
    found = both_ways(
        monkeypatch, lambda: ks.convolve(x, field, form="scatter", normalize=True, workers=workers, **words), 1, 0
    )
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("shape", [(200,), (5, 7, 11), (2, 3), (60, 1), (1, 60)], ids=str)
@pytest.mark.parametrize("mode", ["reflect", "wrap", "constant"])
def test_dimensions_and_kernels_larger_than_the_image(shape, mode, monkeypatch):
    x, width = image_and_map(shape)
    field = ks.kernels.Gaussian(width, size=(9, 7, 5)[: len(shape)])
    found = both_ways(monkeypatch, lambda: ks.correlate(x, field, form="scatter", mode=mode), 1, 0)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.uint8, np.complex64])
def test_batches_and_dtypes(dtype, monkeypatch):
    x = np.random.default_rng(1).integers(0, 99, (*EXTENTS, 3)).astype(dtype)
    field = ks.kernels.Gaussian(image_and_map()[1], size=5)
    found = both_ways(monkeypatch, lambda: ks.convolve(x, field, form="scatter", axes=(0, 1)), 1, 0)
    assert found[1].dtype == found[0].dtype
    np.testing.assert_array_equal(*found)


def test_a_nan_reaches_what_it_reaches_at_once(monkeypatch):
    x, width = image_and_map()
    x[11, 4] = np.nan
    field = ks.kernels.Gaussian(width)
    at_once, in_strips = both_ways(monkeypatch, lambda: ks.convolve(x, field, form="scatter"), 1, 0)
    assert 0 < np.isnan(at_once).sum() < x.size / 2
    np.testing.assert_array_equal(at_once, in_strips)


@pytest.mark.parametrize("mode", ["constant", "wrap"])
def test_no_array_of_all_sources_is_made(mode, monkeypatch):
    x, width = image_and_map((1000, 500))
    field = ks.kernels.Gaussian(width, size=5)
    monkeypatch.setattr(scatter, "SOURCE_BYTES", x.nbytes // 20)
    monkeypatch.setattr(scatter, "TOGETHER_BYTES", 0)
    ks.convolve(x, field, form="scatter", mode=mode)  # what is remembered for the next call is made
    tracemalloc.start()
    ks.convolve(x, field, form="scatter", mode=mode)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * x.nbytes, f"{peak} bytes for an output of {x.nbytes}"


def test_fields_on_inner_boxes_are_views():
    weights = np.ones((40, 50, 3, 3))
    bound = ks.kernels.Dense(weights).bound((40, 50))
    (part,) = bound_at(bound, [np.arange(3, 9), np.arange(50)]).parts
    assert np.shares_memory(part.array, weights)
    assert part.array.shape == (6, 50, 3, 3)


# -- factors -----------------------------------------------------------------------------------------------------------

SEPARABLE = {
    "round": (lambda width: ks.kernels.Gaussian(width, size=(7, 6)), 13),
    "square window": (lambda width: ks.kernels.Gaussian(width, size=7), 7),
    "own windows": (lambda width: ks.kernels.Gaussian(width), 17),
    "along the axes": (lambda width: ks.kernels.Gaussian(width, 0.5 + width[::-1], size=7), 14),
    "a map and a number": (lambda width: ks.kernels.Gaussian(width, 1.5, size=7), 14),
    "own windows along the axes": (lambda width: ks.kernels.Gaussian(width, 0.5 + 0.5 * width), 17 + 13),
    "not normalized": (lambda width: ks.kernels.Gaussian(width, size=7, normalize=False), 7),
}


@pytest.fixture
def counts(monkeypatch):
    """How many planes were made, one entry for each time; planes are always made while `LEAST_WORK` is 0."""
    found = []
    at = scattered_factors.Planes.of_box
    monkeypatch.setattr(
        scattered_factors.Planes, "of_box", lambda self, *words: found.append(self.count) or at(self, *words)
    )
    monkeypatch.setattr(scattered_factors, "LEAST_GAIN", 0)
    monkeypatch.setattr(scattered_factors, "LEAST_WORK", 0)
    return found


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("name", SEPARABLE)
def test_products_of_planes_are_the_weights(name, mode, counts, monkeypatch):
    x, width = image_and_map()
    make, count = SEPARABLE[name]
    field = make(width)
    for function in (ks.correlate, ks.convolve):
        with_planes = function(x, field, form="scatter", mode=mode)
        assert counts == [count]
        monkeypatch.setattr(scatter, "PLANE_BYTES", 1)
        monkeypatch.setattr(scatter, "TOGETHER_BYTES", 0)
        np.testing.assert_array_equal(function(x, field, form="scatter", mode=mode, workers=4), with_planes)
        assert len(counts) > 2
        assert set(counts) == {count}
        monkeypatch.setattr(scattered_factors, "LEAST_WORK", 1 << 60)
        counts.clear()
        one_by_one = function(x, field, form="scatter", mode=mode)
        assert not counts
        magnitude = function(np.abs(x), field, form="scatter", mode=mode)
        # Roundings of a weight, and of a sum of as many products, each way.
        allowed = 2 * (8 + np.prod(field.bound(EXTENTS).size)) * np.finfo(np.float32).eps * magnitude
        assert (np.abs(with_planes - one_by_one) <= allowed).all()
        monkeypatch.setattr(scattered_factors, "LEAST_WORK", 0)
        monkeypatch.setattr(scatter, "PLANE_BYTES", 1 << 26)
        monkeypatch.setattr(scatter, "TOGETHER_BYTES", 1 << 26)


@pytest.mark.parametrize(
    "words",
    [
        {"origin": (1, -2)},
        {"dilation": (2, 3), "mode": ("wrap", "constant")},
        {"stride": (2, 3)},
        {"padding": "valid"},
        {"normalize": True},
        {"normalize": True, "mode": "shrink"},
    ],
    ids=str,
)
@pytest.mark.parametrize("images", ["one", "several", "channels", "complex"])
def test_planes_of_every_geometry(images, words, counts, monkeypatch):
    x, width = image_and_map()
    x = x.astype(np.float64)
    if images == "complex":
        x = x + 1j * x[::-1]
    elif images != "one":
        words, axis = {**words, "axes": {"several": (1, 2), "channels": (0, 1)}[images]}, {"several": 0}.get(images, -1)
        x = np.stack([x, x[::-1]], axis)
    field = ks.kernels.Gaussian(width, width[::-1], size=(7, 4))
    found = ks.correlate(x, field, form="scatter", **words)
    assert counts
    monkeypatch.setattr(scatter, "PLANE_BYTES", 1)
    monkeypatch.setattr(scatter, "TOGETHER_BYTES", 0)
    np.testing.assert_array_equal(ks.correlate(x, field, form="scatter", **words), found)
    monkeypatch.setattr(scattered_factors, "LEAST_WORK", 1 << 60)
    one_by_one = ks.correlate(x, field, form="scatter", **words)
    np.testing.assert_allclose(found, one_by_one, rtol=0, atol=1e-13 * np.abs(x).max())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_planes_keep_to_the_own_window_of_what_is_not_finite(value, counts, monkeypatch):
    x, width = image_and_map()
    x[11, 4] = value
    found = ks.convolve(x, ks.kernels.Gaussian(width), form="scatter")
    assert counts
    monkeypatch.setattr(scattered_factors, "LEAST_WORK", 1 << 60)
    np.testing.assert_array_equal(
        np.isfinite(found), np.isfinite(ks.convolve(x, ks.kernels.Gaussian(width), form="scatter"))
    )


@pytest.mark.parametrize("shape", [(5, 7, 11), (2, 3), (60, 1)], ids=str)
def test_planes_in_other_dimensions(shape, counts, monkeypatch):
    x, width = image_and_map(shape)
    x, field = x.astype(np.float64), ks.kernels.Gaussian(width, size=(3, 7, 5)[: len(shape)])
    found = ks.correlate(x, field, form="scatter", mode="wrap")
    assert counts
    monkeypatch.setattr(scattered_factors, "LEAST_WORK", 1 << 60)
    wanted = ks.correlate(x, field, form="scatter", mode="wrap")
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("shape", "size"), [((70, 2000), (31, 5)), ((40, 60, 90), (9, 3, 3))], ids=str)
def test_planes_keep_to_their_memory(shape, size, counts, monkeypatch):
    """Rows of which the memory has fewer than a kernel has are cut as well."""
    x, width = image_and_map(shape)
    field = ks.kernels.Gaussian(width, size=size)
    expected = ks.convolve(x, field, form="scatter")
    monkeypatch.setattr(scatter, "PLANE_BYTES", 1 << 20)
    ks.convolve(x, field, form="scatter")  # what is remembered for the next call is made
    counts.clear()
    tracemalloc.start()
    found = ks.convolve(x, field, form="scatter")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(counts) > 4
    assert peak < 4 * x.nbytes + 1.5 * (1 << 20), peak
    np.testing.assert_array_equal(found, expected)


def test_planes_are_made_where_they_pay(monkeypatch):
    made = []
    at = scattered_factors.Planes.of_box
    monkeypatch.setattr(scattered_factors.Planes, "of_box", lambda self, *words: made.append(1) or at(self, *words))
    monkeypatch.setattr(scattered_factors, "LEAST_WORK", 1)
    x, width = image_and_map()
    fields = {
        "a small window": ks.kernels.Gaussian(width, size=5),
        "few weights for each plane": ks.kernels.Gaussian(width, width, size=7),
        "no factors": ks.kernels.Disc(1.5 * width),
        "factors that are arrays": ks.kernels.Separable(np.ones((*EXTENTS, 9)), np.ones((*EXTENTS, 9))),
    }
    for name, field in fields.items():
        ks.convolve(x, field, form="scatter")
        assert not made, name
    ks.convolve(x, ks.kernels.Gaussian(width, size=7), form="scatter")
    assert made
