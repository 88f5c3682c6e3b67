"""Scatters of large images: balanced sources are made for some rows of outputs at a time.

What is compared: the image that comes of strips, with the one from all sources at once, bit for bit; over fields,
modes, forms of kernels, dimensions and widths of strips. What the image should be is another test's business
(`tests/conformance/test_fields.py`).
"""

import tracemalloc

import numpy as np
import pytest

import kernelscape as ks
from kernelscape.api import scatter
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
    strips = scatter._Scatter.strips
    monkeypatch.setattr(scatter._Scatter, "strips", lambda *words: calls.append(1) or strips(*words))
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
