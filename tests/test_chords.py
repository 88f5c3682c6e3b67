"""Extrema over footprints by way of runs, against NumPy on the samples of each footprint and against other methods."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import kernelscape as ks
from kernelscape.methods.chords import chords_of, steps_of

GRID = np.mgrid[-6:7, -6:7]
DISC = (GRID**2).sum(0) <= 36
FOOTPRINTS = {
    "disc": DISC,
    "cross": (GRID == 0).any(0),
    "octagon": np.abs(GRID).sum(0) <= 8,
    "ring": DISC & ((GRID**2).sum(0) >= 9),
    "frame": np.abs(GRID).max(0) >= 5,
    "lopsided": (DISC & (GRID[0] >= GRID[1] - 2))[2:, 1:],
    "line": np.ones((1, 40), bool),
    "two lines": np.array([[1] * 20 + [0] * 11, [0] * 31, [0] * 4 + [1] * 27], bool),
}
DTYPES = ("bool", "uint8", "int16", "uint32", "int64", "float16", "float32", "float64")


def image(dtype, shape=(31, 90), seed=5):
    rng = np.random.default_rng(seed)
    return (rng.normal(0, 40, shape) % 256 - 64 * (np.dtype(dtype).kind == "i")).astype(dtype)


def by_samples(function, array, footprint, dilation=1, mode="symmetric"):
    """NumPy's function of the samples of a footprint, for all positions."""
    pads = [(dilation * (k // 2), dilation * (k - 1 - k // 2)) for k in footprint.shape]
    padded = np.pad(array, pads, mode)
    taps = [tuple(slice(dilation * i, dilation * i + n) for i, n in zip(tap, array.shape, strict=True))
            for tap in np.argwhere(footprint)]  # fmt: skip
    return function(np.stack([padded[tap] for tap in taps]), axis=0)


def assert_same(found, wanted):
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_array_equal(found, wanted)


def test_same_can_fail():
    with pytest.raises(AssertionError):
        assert_same(np.array([1.0]), np.array([2.0]))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, unique=True), st.sampled_from([0, 1]))
def test_runs_are_the_footprint(taps, x):
    found = []
    for length, places in chords_of(taps, x).items():
        for place in places:
            found += [(*place[:x], place[x] + n, *place[x + 1 :]) for n in range(length)]
    assert sorted(found) == sorted(taps)


@given(st.lists(st.integers(1, 200), min_size=1))
def test_every_length_is_made_of_shorter_ones(lengths):
    made = {1}
    for length, shorter in steps_of(lengths):
        assert shorter in made
        assert shorter < length <= 2 * shorter
        made.add(length)
    assert set(lengths) <= made


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["disc", "ring", "lopsided", "two lines"])
@pytest.mark.parametrize("function", [np.max, np.all])
def test_dtypes(function, name, dtype):
    array, footprint = image(dtype), FOOTPRINTS[name]
    if function in (np.any, np.all):
        array = (array > (60 if function is np.any else -60)).astype(dtype)
    found = ks.apply(function, array, footprint=footprint, method="chords")
    assert_same(found, by_samples(function, array, footprint))


@pytest.mark.parametrize("name", FOOTPRINTS)
def test_every_arrangement(name):
    array, footprint = image("float32", (40, 75)), FOOTPRINTS[name]
    array[7, 30], array[20, 60], array[33, 5], array[12, 40] = np.nan, np.inf, -np.inf, -np.nan
    names = {"reflect": "symmetric", "nearest": "edge", "wrap": "wrap", "mirror": "reflect"}
    lying = np.asfortranarray(array)
    for mode, word in names.items():
        for dilation in (1, 2):
            for given_ in (array, lying):
                words = {"footprint": footprint, "mode": mode, "dilation": dilation}
                stencil = ks.stencil(np.max, **words)
                if "chords" not in {c.name for c in stencil.plan(given_).candidates if c.applies}:
                    continue
                found = ks.apply(np.max, given_, method="chords", **words)
                assert_same(found, by_samples(np.max, given_, footprint, dilation, word))


def test_agrees_with_scipy():
    array = image("uint8", (50, 120))
    found = ks.apply(np.min, array, footprint=DISC, method="chords")
    assert_same(found, ndimage.minimum_filter(array, footprint=DISC))


def test_volumes_and_batches():
    array = image("float32", (9, 14, 40))
    ball = (np.mgrid[-2:3, -2:3, -3:4] ** 2).sum(0) <= 10
    assert_same(ks.apply(np.max, array, footprint=ball, method="chords"), by_samples(np.max, array, ball))
    colours = image("uint8", (20, 40, 3))
    found = ks.apply(np.min, colours, footprint=DISC, axes=(0, 1), method="chords")
    assert_same(found, np.stack([by_samples(np.min, colours[..., n], DISC) for n in range(3)], -1))
    stack = image("int16", (3, 20, 40))
    found = ks.apply(np.max, stack, footprint=DISC, axes=(1, 2), method="chords")
    assert_same(found, np.stack([by_samples(np.max, one, DISC) for one in stack]))
    line = image("float64", (400,))
    runs = np.arange(30) != 12
    found = ks.apply(np.max, line, footprint=runs, method="chords")
    assert_same(found, ndimage.maximum_filter(line, footprint=runs))


def test_functions_of_samples():
    array = image("float32")
    found = ks.apply(lambda w: np.max(np.abs(w - 30)) - np.min(w), array, footprint=DISC, method="chords")
    wanted = by_samples(np.max, np.abs(array - 30), DISC) - by_samples(np.min, array, DISC)
    assert_same(found, wanted)


@settings(max_examples=12)
@given(data=st.data())
def test_any_geometry_is_that_of_the_direct_method(data):
    draw = data.draw
    size = draw(st.tuples(st.integers(2, 7), st.integers(6, 20)))
    footprint = np.random.default_rng(draw(st.integers(0, 99))).random(size) < draw(st.sampled_from([0.8, 0.97, 1.0]))
    array = image(draw(st.sampled_from(["uint8", "float32", "float64"])), draw(st.sampled_from([(33, 60), (20, 131)])))
    words = {
        "footprint": footprint,
        "mode": draw(st.sampled_from(["reflect", "mirror", "nearest", "wrap", "constant", "valid"])),
        "dilation": (draw(st.integers(1, 3)), draw(st.integers(1, 2))),
        "stride": (draw(st.integers(1, 3)), 1),
        "origin": tuple(draw(st.integers(-(k // 2), (k - 1) // 2)) for k in size),
    }
    stencil = ks.stencil(np.max, **words)
    if "chords" not in {c.name for c in stencil.plan(array).candidates if c.applies}:
        return
    found = ks.apply(np.max, array, method="chords", **words)
    assert_same(found, ks.apply(np.max, array, method="direct", **words))


def test_the_checked_build():
    array = image("float32")
    for footprint in (DISC, FOOTPRINTS["two lines"]):
        with ks.configure(checked=True):
            found = ks.apply(np.max, array, footprint=footprint, dilation=(2, 1), method="chords")
        assert_same(found, ks.apply(np.max, array, footprint=footprint, dilation=(2, 1), method="direct"))


def test_the_planner_takes_runs_of_large_discs():
    large = (np.mgrid[-10:11, -10:11] ** 2).sum(0) <= 100
    for dtype in ("uint8", "float32"):
        plan = ks.stencil(np.max, footprint=large).plan(np.zeros((600, 600), dtype))
        assert plan.method == "chords"
        assert "21 runs along x, of 7 lengths, are the 317 samples of the footprint" in plan.explain()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"size": 5}, "windows are boxes"),
        ({"footprint": DISC, "mode": "shrink"}, "may lack samples"),
        ({"footprint": DISC, "stride": 2}, "do not move along x by one sample"),
        ({"footprint": np.eye(12, dtype=bool)}, "hardly fewer runs"),
    ],
    ids=["box", "shrink", "stride", "diagonal"],
)
def test_refusals(words, reason):
    with pytest.raises(ks.errors.ArgumentError, match=reason):
        ks.apply(np.max, image("float32"), method="chords", **words)


def test_sums_are_refused():
    with pytest.raises(ks.errors.ArgumentError, match="nothing is an extremum"):
        ks.apply(np.sum, image("float32"), footprint=DISC, method="chords")
