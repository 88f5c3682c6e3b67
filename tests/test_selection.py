"""``at=`` and ``otherwise=``: which outputs are computed, what stands elsewhere, and what is refused."""

import warnings

import numpy as np
import pytest

import kernelscape as ks
from kernelscape.api import selected as selected_outputs
from kernelscape.errors import ArgumentError, ArgumentTypeError, PerformanceWarning, ShapeError
from tests.conformance.running import bits
from tests.oracle.selection import nearest, selected

RNG = np.random.default_rng(4)
IMAGE = RNG.normal(size=(50, 140)).astype(np.float32)
BYTES = RNG.integers(0, 256, IMAGE.shape).astype(np.uint8)
DISC = np.hypot(*np.ogrid[-20:30, -60:80]) < 17
SPARSE = RNG.random(IMAGE.shape) < 0.04
WEIGHTS = np.round(np.clip(RNG.normal(0.2, 0.8, IMAGE.shape), 0, 1), 2).astype(np.float32)
KERNEL = RNG.normal(size=(4, 3)).astype(np.float32)
SIGMA = RNG.uniform(0.3, 2, IMAGE.shape)
GRID = (RNG.normal(size=(2, 3, 3, 3)), ([0, 49], [0, 70, 139]))


def assert_bits(found, wanted):
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    if found.dtype.kind == "c":
        assert bits(found.real) == bits(wanted.real)
        assert bits(found.imag) == bits(wanted.imag)
    else:
        assert bits(found) == bits(wanted), np.argwhere(found != wanted)[:3]


def test_assert_bits_can_fail():
    with pytest.raises(AssertionError):
        assert_bits(np.zeros(3), np.array([0.0, 0.0, -0.0]))


def textured(w):
    return np.sqrt(np.sum((w - np.mean(w)) ** 2)) + np.max(w)


def opaque(w):
    return float(np.asarray(w).max())


FILTERS = {
    "median": lambda **words: ks.apply(np.median, IMAGE, size=5, **words),
    "columns": lambda **words: ks.apply(np.sum, IMAGE, size=7, **words),
    "products in columns": lambda **words: ks.apply(lambda w: np.sum(w * 1.5), IMAGE, size=(4, 9), **words),
    "function": lambda **words: ks.apply(textured, IMAGE, size=(3, 4), mode="wrap", **words),
    "shrink": lambda **words: ks.apply(np.mean, IMAGE, size=5, mode="shrink", **words),
    "footprint": lambda **words: ks.apply(np.max, IMAGE, footprint=[[0, 1, 0], [1, 0, 1]], **words),
    "maps": lambda **words: ks.apply(
        lambda w, m, y: np.sum(w > m) * y * 1.0, IMAGE, ks.pixel(IMAGE[::-1]), ks.index(0), size=3, **words),
    "numpy": lambda **words: ks.apply(np.median, IMAGE, size=3, method="numpy", **words),
    "correlate": lambda **words: ks.correlate(IMAGE, KERNEL, **words),
    "normalized": lambda **words: ks.convolve(IMAGE, KERNEL, normalize=True, mode="shrink", **words),
    "definition": lambda **words: ks.correlate(IMAGE, KERNEL, method="numpy", **words),
    "gaussian": lambda **words: ks.correlate(IMAGE, ks.kernels.Gaussian(SIGMA), **words),
    "classes": lambda **words: ks.correlate(IMAGE, ks.kernels.Gaussian(np.where(IMAGE > 1.5, 5, 0.5)), **words),
    "grid": lambda **words: ks.convolve(IMAGE, ks.kernels.Grid(*GRID), mode="constant", **words),
    "field of a function": lambda **words: ks.apply(
        lambda w, k: np.max(w * k), IMAGE, ks.kernel(ks.kernels.Gaussian(SIGMA)), **words),
    "grid of a function": lambda **words: ks.apply(
        lambda w, k: np.max(w * k), IMAGE, ks.kernel(ks.kernels.Grid(*GRID)), **words),
    "scatter": lambda **words: ks.convolve(IMAGE, KERNEL, form="scatter", **words),
    "scattered field": lambda **words: ks.convolve(IMAGE, ks.kernels.Gaussian(SIGMA), form="scatter", **words),
    "scattered grid": lambda **words: ks.correlate(IMAGE, ks.kernels.Grid(*GRID), form="scatter", **words),
}  # fmt: skip
MASKS = {"disc": DISC, "sparse": SPARSE, "weights": WEIGHTS, "doubles": WEIGHTS.astype(np.float64),
         "halves": WEIGHTS.astype(np.float16), "all": DISC | True, "none": DISC & False}  # fmt: skip


@pytest.fixture(params=["blocks", "points"])
def way(request, monkeypatch):
    """Wanted outputs are computed in blocks, or one by one, whatever is less work."""
    monkeypatch.setattr(selected_outputs, "WAY", request.param)
    return request.param


@pytest.mark.parametrize("name", FILTERS)
def test_selected_outputs_are_the_whole_filters_and_others_are_untouched(name, way):
    full = FILTERS[name]()
    for at in MASKS.values():
        assert_bits(FILTERS[name](at=at), selected(full, at, IMAGE))
    other = np.where(IMAGE > 0, np.nan, -IMAGE)
    assert_bits(FILTERS[name](at=SPARSE, otherwise=other), selected(full, SPARSE, other))
    assert_bits(FILTERS[name](at=WEIGHTS, otherwise=-7), selected(full, WEIGHTS, -7))


def test_regions(way):
    full = FILTERS["median"]()
    inside = np.zeros(IMAGE.shape, bool)
    inside[10:50, 20:80] = True
    for region in (np.s_[10:50, 20:80], (10, 20, 50, 80), np.s_[10:, 20:80], np.s_[-40:, ..., -120:-60]):
        assert_bits(FILTERS["median"](at=region, otherwise=0), selected(full, inside, 0))
    rows = np.broadcast_to(np.arange(50)[:, None] // 10 == 1, IMAGE.shape)
    for region in (np.s_[10:20], np.s_[10:20, ...], np.s_[10:20, :]):
        assert_bits(FILTERS["median"](at=region), selected(full, rows, IMAGE))
    steps = np.zeros(IMAGE.shape, bool)
    steps[40:3:-3, 5::7] = True
    assert_bits(FILTERS["median"](at=np.s_[40:3:-3, 5::7]), selected(full, steps, IMAGE))
    assert_bits(FILTERS["median"](at=...), full)
    assert_bits(FILTERS["median"](at=(5, 5, 5, 9)), IMAGE)


def test_grids_of_their_own(way):
    words = {"size": (3, 5), "stride": (3, 2), "padding": "full", "dilation": 2, "mode": "nearest"}
    full = ks.apply(np.mean, IMAGE, **words)
    image = nearest(IMAGE, np.arange(full.shape[0]) * 3 - 2, np.arange(full.shape[1]) * 2 - 4)
    at = RNG.random(full.shape) < 0.1
    assert_bits(ks.apply(np.mean, IMAGE, at=at, **words), selected(full, at, image))
    assert_bits(ks.apply(np.mean, IMAGE, at=at * 0.5, **words), selected(full, at * 0.5, image))
    valid = ks.convolve(IMAGE, KERNEL, form="scatter", stride=2, padding="valid")
    at = RNG.random(valid.shape) < 0.1
    found = ks.convolve(IMAGE, KERNEL, form="scatter", stride=2, padding="valid", at=at)
    assert_bits(found, selected(valid, at, IMAGE[1::2, 1::2][: at.shape[0], : at.shape[1]]))


@pytest.mark.parametrize("order", ["C", "F"])
def test_colours(order, way):
    colours = np.asarray(RNG.normal(size=(30, 70, 3)), order=order)
    at = np.hypot(*np.ogrid[-9:21, -40:30]) < 8
    full = ks.apply(np.median, colours, size=3, axes=(0, 1))
    for mask in (at, at[..., None], np.repeat(at[..., None], 3, -1)):
        wide = np.broadcast_to(at[..., None], full.shape)
        assert_bits(ks.apply(np.median, colours, size=3, axes=(0, 1), at=mask), selected(full, wide, colours))
    one = np.zeros(colours.shape)
    one[4:9, 5:60, 1] = 0.25
    assert_bits(ks.apply(np.median, colours, size=3, axes=(0, 1), at=one), selected(full, one, colours))
    other = np.arange(2100.0).reshape(30, 70)
    found = ks.apply(np.median, colours, size=3, axes=(0, 1), at=np.s_[..., 2], otherwise=other)
    assert_bits(found[..., 2], full[..., 2])
    assert_bits(found[..., 0], other)


def test_whole_axes(way):
    colours = RNG.normal(size=(20, 30, 3))
    at = RNG.random((20, 30)) < 0.2
    size = (3, 3, None)
    largest = ks.apply(np.max, colours, size=size)
    assert_bits(ks.apply(np.max, colours, size=size, at=at, otherwise=0), selected(largest, at, 0))
    means = ks.apply(lambda w: np.mean(w, axis=(0, 1)), colours, size=size)
    assert_bits(ks.apply(lambda w: np.mean(w, axis=(0, 1)), colours, size=size, at=at), selected(means, at, colours))
    with pytest.raises(ShapeError, match=r"whole axes.*\(3,\).*values of shape \(\)"):
        ks.apply(np.max, colours, size=size, at=at)


def several(w):
    return np.min(w), w[0], np.argmax(w)


def test_several_results_and_appended_axes(way):
    low, row, place = ks.apply(several, IMAGE, size=3)
    found = ks.apply(several, IMAGE, size=3, at=DISC, otherwise=3)
    for result, full in zip(found, (low, row, place), strict=True):
        assert_bits(result, selected(full, DISC, np.array(3)))
    line = np.array([1.0, 2.0, 3.0])
    filled = np.broadcast_to(line, row.shape)
    found = ks.apply(several, IMAGE, size=3, at=SPARSE, otherwise=("input", filled, -1))
    assert_bits(found[0], selected(low, SPARSE, IMAGE))
    assert_bits(found[1], selected(row, SPARSE, line))
    assert_bits(found[2], selected(place, SPARSE, np.array(-1)))
    found = ks.apply(lambda w: w[0], IMAGE, size=3, at=DISC)
    assert_bits(found, selected(row, DISC, IMAGE[..., None]))
    with pytest.raises(ArgumentError, match="each of the 3 results; got 2"):
        ks.apply(several, IMAGE, size=3, at=DISC, otherwise=(0, 1))


@pytest.mark.parametrize("method", ["auto", "numpy"])
def test_complex_numbers(method, way):
    waves = IMAGE + 1j * IMAGE[::-1]
    for image, kernel in ((waves, KERNEL), (waves, KERNEL - 2j), (IMAGE, KERNEL * 1j)):
        full = ks.correlate(image, kernel, method=method)
        assert_bits(ks.correlate(image, kernel, at=DISC, method=method), selected(full, DISC, image))
        found = ks.correlate(image, kernel, at=DISC, otherwise=1 - 2j, method=method)
        assert_bits(found, np.where(DISC, full, np.complex64(1 - 2j)))
        share = WEIGHTS.astype(np.float32)
        parts = [selected(p, share, q) for p, q in ((full.real, image.real), (full.imag, image.imag))]
        found = ks.correlate(image, kernel, at=WEIGHTS, method=method)
        assert_bits(found.real, parts[0])
        assert_bits(found.imag, parts[1])
    real = ks.correlate(IMAGE, KERNEL, dtype=complex, at=WEIGHTS, otherwise=2 + 1j)
    assert_bits(real.imag, (1 - WEIGHTS.astype(np.float64)) * (1.0 * (WEIGHTS < 1)))
    field = ks.kernels.Dense(RNG.normal(size=(*IMAGE.shape, 3, 3)) * 1j)
    full = ks.correlate(IMAGE, field)
    assert_bits(ks.correlate(IMAGE, field, at=SPARSE), selected(full, SPARSE, IMAGE))
    over = waves.astype(np.complex64)
    full = ks.correlate(over, KERNEL)
    before = over.copy()
    assert ks.correlate(over, KERNEL, at=DISC, output=over) is over
    assert_bits(over, selected(full, DISC, before))


def test_integers(way):
    full = ks.apply(np.median, BYTES, size=3)
    assert_bits(ks.apply(np.median, BYTES, size=3, at=DISC), selected(full, DISC, BYTES))
    rounded = ks.apply(np.median, BYTES, size=3, output=np.uint8)
    assert_bits(ks.apply(np.median, BYTES, size=3, at=DISC, output=np.uint8), selected(rounded, DISC, BYTES))
    largest = ks.apply(np.max, BYTES, size=3)
    assert_bits(ks.apply(np.max, BYTES, size=3, at=WEIGHTS), selected(largest, WEIGHTS, BYTES))
    wide = BYTES.astype(np.int64) + 2**60
    largest = ks.apply(np.max, wide, size=3)
    assert_bits(ks.apply(np.max, wide, size=3, at=SPARSE * 1.0), selected(largest, SPARSE, wide))
    asked = ks.apply(np.mean, IMAGE, size=3, output=np.int16)
    assert_bits(ks.apply(np.mean, IMAGE, size=3, at=DISC, output=np.int16), selected(asked, DISC, IMAGE))
    truth = ks.apply(lambda w: np.max(w) > 1, IMAGE, size=3, at=DISC, otherwise=False)
    assert_bits(truth, ks.apply(lambda w: np.max(w) > 1, IMAGE, size=3) & DISC)


def test_output_over_inputs(way):
    full = FILTERS["columns"]()
    for overlapping in ("image", "at", "otherwise"):
        image, at, other = IMAGE.copy(), WEIGHTS.copy(), -IMAGE
        output = {"image": image, "at": at, "otherwise": other}[overlapping]
        found = ks.apply(np.sum, image, size=7, at=at, otherwise=other, output=output)
        assert found is output
        assert_bits(found, selected(full, WEIGHTS, -IMAGE))
    field = ks.kernels.Grid(*GRID)
    image = IMAGE.copy()
    full = ks.correlate(image, field)
    ks.correlate(image, field, at=DISC, output=image)
    assert_bits(image, selected(full, DISC, IMAGE))
    swapped = np.zeros(IMAGE.shape, ">f8")[:, ::-1]
    wide = ks.apply(np.median, IMAGE, size=5, output=np.float64)
    ks.apply(np.median, IMAGE, size=5, at=DISC, output=swapped)
    assert_bits(swapped.astype(np.float64), selected(wide, DISC, IMAGE))


def test_invalid_outputs_are_marked_where_they_are_wanted(way):
    words = {"size": 5, "mode": "shrink", "min_count": 15}
    full = ks.apply(np.sum, IMAGE, **words)
    assert np.isnan(full).any()
    for at in (SPARSE, WEIGHTS):
        found = ks.apply(np.sum, IMAGE, at=at, **words)
        assert_bits(found, selected(full, at, IMAGE))
    words["invalid"] = -1
    small = BYTES.astype(np.int16)
    full = ks.apply(np.sum, small, **words)
    lost = np.isnan(ks.apply(np.sum, IMAGE, size=5, mode="shrink", min_count=15))
    found = ks.apply(np.sum, small, at=WEIGHTS, **words)
    assert_bits(found, np.where(lost & (WEIGHTS > 0), -1, selected(full, WEIGHTS, small)).astype(full.dtype))
    by_numpy = ks.apply(lambda w, valid: w[valid].sum(), small, at=WEIGHTS, **words, method="numpy")
    assert_bits(by_numpy, found)


def test_nan_is_an_error_in_wanted_integers_only(way):
    image = IMAGE.copy()
    image[3, 3] = np.nan
    at = np.zeros(IMAGE.shape, bool)
    at[20:, 20:] = True
    found = ks.apply(np.mean, image, size=3, at=at, otherwise=0, output=np.int32)
    assert_bits(found, np.where(at, ks.apply(np.mean, IMAGE, size=3, output=np.int32), 0).astype(np.int32))
    at[3, 4] = True
    with pytest.raises(ArgumentError, match="NaN"):
        ks.apply(np.mean, image, size=3, at=at, otherwise=0, output=np.int32)
    with pytest.raises(ArgumentError, match="NaN"):
        ks.apply(np.mean, IMAGE, size=3, at=at, otherwise=image, output=np.int32)


def test_an_opaque_function_is_called_where_it_is_wanted():
    calls = []

    def counting(w):
        calls.append(1)
        return opaque(w)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)
        full = ks.apply(np.max, IMAGE, size=3).astype(np.float64)
        assert_bits(ks.apply(counting, IMAGE, size=3, at=DISC, method="numpy"), selected(full, DISC, IMAGE))
        assert len(calls) == DISC.sum()
        found = ks.apply(counting, IMAGE, size=3, at=WEIGHTS, method="numpy", otherwise=4)
        assert_bits(found, selected(full, WEIGHTS, 4))
        calls.clear()
        assert_bits(ks.apply(counting, IMAGE, size=3, at=DISC & False, method="numpy"), IMAGE.astype(np.float64))
        assert len(calls) == 1  # on ones, for the dtype of the result


def test_blocks_without_a_wanted_output_are_not_visited(monkeypatch):
    from kernelscape.execute import Executable

    chosen = []
    run = Executable.run

    def counting(self, arrays, arguments, outputs, workers=None, tiles=None):
        chosen.append((len(tiles), self.tiles))
        return run(self, arrays, arguments, outputs, workers, tiles)

    monkeypatch.setattr(Executable, "run", counting)
    monkeypatch.setattr(selected_outputs, "WAY", "blocks")
    large = np.zeros((512, 512), np.float32)
    at = np.zeros(large.shape, bool)
    at[100:110, 200:210] = True
    ks.apply(np.median, large, size=3, at=at)
    ((some, every),) = chosen
    assert some <= 4 < every / 20


def test_stencils_have_selections(way):
    at = DISC.copy()
    made = ks.stencil(np.median, size=5, at=at, otherwise=0)
    at[:] = False
    assert_bits(made(IMAGE), selected(FILTERS["median"](), DISC, 0))
    assert made.plan(IMAGE).job.at == 1
    twice = ks.iterate(ks.stencil(np.median, size=5, at=DISC), IMAGE, 2)
    once = selected(FILTERS["median"](), DISC, IMAGE)
    assert_bits(twice, selected(ks.apply(np.median, once, size=5), DISC, once))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_change_no_bit(workers, way):
    image = RNG.normal(size=(300, 400)).astype(np.float32)
    at = np.hypot(*np.ogrid[-150:150, -200:200]) < 90
    full = ks.correlate(image, KERNEL)
    assert_bits(ks.correlate(image, KERNEL, at=at, workers=workers), selected(full, at, image))


def test_the_checked_build_finds_nothing(way):
    with ks.configure(checked=True):
        for name in ("median", "columns", "shrink", "correlate", "gaussian"):
            for at in (DISC, SPARSE, WEIGHTS):
                assert_bits(FILTERS[name](at=at), selected(FILTERS[name](), at, IMAGE))


def test_tolerances_are_kept():
    image = np.random.default_rng(1).random((700, 700))
    field = ks.kernels.Gaussian(np.broadcast_to(np.linspace(1, 10, 700), image.shape))
    at = np.hypot(*np.ogrid[-350:350, -350:350]) < 60
    exact = ks.correlate(image, field)
    found = ks.correlate(image, field, tol=1e-3, at=at)
    assert np.abs(found - exact)[at].max() <= 1e-3
    assert_bits(found[~at], image[~at])


def test_empty_images(way):
    empty = np.zeros((0, 5), np.float32)
    assert ks.apply(np.max, empty, size=3, at=np.zeros((0, 5), bool)).shape == (0, 5)
    assert ks.apply(np.max, empty, size=3, at=np.s_[:, 1:2], otherwise=1).shape == (0, 5)


# -- what is refused ---------------------------------------------------------------------------------------------------

BAD = {
    "shape": (ShapeError, r"outputs, \(50, 140\); got an array of shape \(49, 140\)", {"at": DISC[1:]}),
    "words": (ArgumentTypeError, "Expected an array.*got 'all'", {"at": "all"}),
    "range": (ArgumentError, r"weights in \[0, 1\]; got numbers from -1.0 to 2.5", {"at": 3.5 * WEIGHTS - 1}),
    "bytes": (ArgumentError, r"got numbers from 0 to 255.*at > 0", {"at": DISC * np.uint8(255)}),
    "nan": (ArgumentError, "NaN among its weights.*nan_to_num", {"at": np.where(DISC, np.nan, 1)}),
    "complex": (ArgumentTypeError, "bool or of weights.*complex", {"at": DISC * 1j}),
    "odd box": (ArgumentError, "min_row, min_col.*got \\(1, 2, 3\\)", {"at": (1, 2, 3)}),
    "box of another image": (ShapeError, "must have 4 integers", {"at": (1, 2, 3, 4, 5, 6)}),
    "box outside": (ArgumentError, r"inside the outputs.*\(50, 140\)", {"at": (0, 0, 51, 10)}),
    "box upside down": (ArgumentError, "inside the outputs", {"at": (9, 0, 8, 10)}),
    "mixed": (ArgumentTypeError, "tuple of slices", {"at": (slice(3), 4.0)}),
    "row outside": (ArgumentError, r"50 along axis 0 of the outputs, which has 50", {"at": np.s_[50, :]}),
    "slices": (ShapeError, "3 slices, and the outputs have 2 axes", {"at": np.s_[1:, 1:, 1:]}),
    "alone": (ArgumentError, "otherwise without at", {"otherwise": 0}),
    "word": (ArgumentError, "'input', a number or an array; got 'zero'", {"at": DISC, "otherwise": "zero"}),
    "none": (ArgumentTypeError, "got None", {"at": DISC, "otherwise": None}),
    "array": (ShapeError, r"otherwise must have the shape", {"at": DISC, "otherwise": IMAGE[1:]}),
    "complex number": (ArgumentTypeError, "complex, and the output has dtype float32", {"at": DISC, "otherwise": 1j}),
    "complex array": (ArgumentTypeError, "complex", {"at": DISC, "otherwise": IMAGE * 1j}),
    "number of bytes": (ArgumentError, "no value of the output's dtype uint8.*0 .. 255",
                        {"at": DISC, "otherwise": 256, "output": np.uint8}),
    "fraction of bytes": (ArgumentError, "no value of the output's dtype uint8",
                          {"at": DISC, "otherwise": 0.5, "output": np.uint8}),
    "nan of bytes": (ArgumentError, "no value of the output's dtype uint8",
                     {"at": DISC, "otherwise": np.nan, "output": np.uint8}),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    kind, text, words = BAD[name]
    output = words.get("output")
    for call in (ks.correlate, ks.convolve):
        with pytest.raises(kind, match=text):
            call(IMAGE, KERNEL, **words)
    with pytest.raises(kind, match=text):
        ks.convolve(IMAGE, KERNEL, form="scatter", **words)
    with pytest.raises(kind, match=text):
        ks.apply(np.median, IMAGE, size=3, **words)
    with pytest.raises(kind, match=text):
        ks.apply(opaque, IMAGE, size=3, method="numpy", **{**words, "output": output or np.float32})


def test_floats_are_not_hidden_in_integers():
    for method in ("auto", "numpy"):
        words = {"size": 3, "at": DISC, "method": method}
        with pytest.raises(ArgumentTypeError, match=r"otherwise='input' has dtype float32.*int64.*output=np.float64"):
            ks.apply(lambda w: np.argmax(w), IMAGE, **words)
        with pytest.raises(ArgumentTypeError, match="otherwise has dtype float32"):
            ks.apply(lambda w: np.argmax(w), IMAGE, otherwise=IMAGE, **words)
    with pytest.raises(ArgumentTypeError, match="dtype bool cannot hold"):
        ks.apply(lambda w: np.max(w) > 1, IMAGE, size=3, at=DISC)
    with pytest.raises(ArgumentTypeError, match="truth values cannot be blended"):
        ks.apply(lambda w: np.max(w) > 1, IMAGE, size=3, at=WEIGHTS, otherwise=False)
    accumulated = {"accumulate": np.int64, "at": DISC}
    with pytest.raises(ArgumentTypeError, match="otherwise has dtype float32"):
        ks.correlate(BYTES, np.ones((3, 3), np.uint8), otherwise=IMAGE, **accumulated)


def test_a_plan_of_a_filter_is_of_the_whole():
    with pytest.raises(ArgumentError, match="leave out at"):
        ks.plan(ks.correlate, IMAGE, KERNEL, at=DISC)
    assert ks.plan(ks.apply, np.median, IMAGE, size=3, at=DISC).job.at == 1


def laid_out(array, layout):
    """The same numbers, otherwise in memory."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "reversed":
        return array[::-1, ::-1].copy()[::-1, ::-1]
    if layout == "apart":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    return np.pad(array, 3)[3:-3, 3:-3] if layout == "part" else array


LAYOUTS = ("C", "F", "reversed", "apart", "part")


@pytest.mark.parametrize("extents", [(1, 1), (3, 7), (33, 64), (17, 65), (40, 333), (2, 1000), (130, 20)])
def test_masks_of_any_extent_and_layout(extents, monkeypatch):
    """Blocks are seen where anything is wanted, the last ones too; the rest is what stood there, to the last byte."""
    monkeypatch.setattr(selected_outputs, "WAY", "blocks")
    image = RNG.normal(size=extents).astype(np.float32)
    full = ks.apply(np.max, image, size=3)
    for share in (0, 0.002, 0.5):
        at = RNG.random(extents) < share
        at[-1, -1] = share > 0
        for layout in LAYOUTS:
            shown, mask = laid_out(image, layout), laid_out(at, layout)
            output = laid_out(np.zeros(extents, np.float32), "C" if layout == "apart" else layout)
            for given, otherwise in ((mask, "input"), (mask, 3), (at, laid_out(-image, layout)), (mask, -image)):
                ks.apply(np.max, shown, size=3, at=given, otherwise=otherwise, output=output, workers=2)
                assert_bits(output, selected(full, at, image if isinstance(otherwise, str) else otherwise))


def test_masks_of_stacks(monkeypatch):
    monkeypatch.setattr(selected_outputs, "WAY", "blocks")
    stack = RNG.normal(size=(3, 2, 30, 90))
    full = ks.apply(np.max, stack, size=3, axes=(2, 3))
    at = RNG.random(stack.shape) < 0.001
    for mask in (at, at[0, 0], np.broadcast_to(at[:, :1], at.shape)):
        with ks.configure(checked=True):
            found = ks.apply(np.max, stack, size=3, axes=(2, 3), at=mask)
        assert_bits(found, selected(full, np.broadcast_to(mask, at.shape), stack))
    volume = ks.apply(np.max, stack[0], size=3)
    assert_bits(ks.apply(np.max, stack[0], size=3, at=at[0]), selected(volume, at[0], stack[0]))


def test_large_masks_are_copied_by_several_workers(monkeypatch):
    monkeypatch.setattr(selected_outputs, "WAY", "blocks")
    image = RNG.integers(0, 255, (700, 1500)).astype(np.uint8)
    at = np.hypot(*np.ogrid[-350:350, -750:750]) < 60
    full = ks.apply(np.max, image, size=3)
    for workers in (1, 2, 7):
        assert_bits(ks.apply(np.max, image, size=3, at=at, workers=workers), selected(full, at, image))


@pytest.mark.parametrize(
    ("dtype", "mode"), [("uint8", "reflect"), ("uint16", "constant"), ("float32", "shrink"), ("float64", "wrap")]
)
def test_ranks_of_large_windows_at_points(dtype, mode, way):
    """The whole image finds them tile by tile, single points by bisection."""
    image = (60 * np.abs(IMAGE)).astype(dtype)
    if image.dtype.kind == "f":
        image[RNG.random(image.shape) < 0.001] = np.nan
        image[5:20, 100:120] = -0.0
    words = {"size": (13, 12), "mode": mode}
    full = ks.apply(np.median, image, **words)
    assert_bits(ks.apply(np.median, image, at=SPARSE, output=full.dtype, **words), selected(full, SPARSE, image))
