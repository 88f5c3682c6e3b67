"""Entropy, variety and majority of 8-bit windows by histograms that move with the window, against the definition.

All that is found is made of integers, so that everything is compared bit for bit: with the definition, with the other
ways, and between all ways in which a tile can be cut and its lines can lie. On purpose not compared: windows in which
samples may be missing, which keep the other ways.
"""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

import kernelscape as ks
from kernelscape import expression as ex
from kernelscape import reductions
from kernelscape.execute import Executable, segments
from kernelscape.loops import TileRuns, TileShape
from kernelscape.methods import frequencies
from kernelscape.reference import evaluate
from tests.oracle.engine import TARGETS, plan_of, run
from tests.oracle.jobs import binary, make_job
from tests.oracle.tiles import (
    IMAGES,
    WindowWords,
    always,
    assert_found_in_tiles,
    assert_scratch_intact,
    image,
    keep_scratch,
    middle,
)

FUNCTIONS = {"entropy": ks.entropy, "majority": ks.majority, "variety": ks.variety}


def all_three(w):
    """Give what entropy is made of, and the others."""
    bits = ex.runs("bits", ex.sort(ex.reshape(w, (w.size,)), 0, numbers=True))
    return bits, reductions.majority(w), reductions.variety(w)


@pytest.fixture
def _always(monkeypatch):
    always(monkeypatch)


def assert_all_three(arrays, words, **options):
    __tracebackhide__ = True
    assert_found_in_tiles(all_three, arrays, words, method="levels", **options)


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("size", [1, 2, 3, (5, 7), 8, 13, (1, 41), (3, 41), (41, 3), 31])
def test_windows_of_all_sizes(size):
    assert_all_three([image("noisy", (19, 37), "uint8")], WindowWords(size))


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool"])
def test_images_of_all_kinds(kind, dtype):
    assert_all_three([image(kind, (21, 90), dtype)], WindowWords(7))


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap", "constant"])
@pytest.mark.parametrize("shape", [(1, 1), (6, 34)])
def test_all_modes_on_small_images(mode, shape):
    assert_all_three([image("random", shape, "int8")], WindowWords((9, 12), mode, cval=9, origin=(3, -2)))


def test_all_levels_are_counted():
    array = np.random.default_rng(0).permutation(256).astype(np.uint8).reshape(16, 16)
    for dtype in (np.uint8, np.int8):
        windows = array.view(dtype)
        every = [ks.apply(f, windows, size=16, mode="wrap", method="levels") for f in FUNCTIONS.values()]
        assert [np.unique(found).tolist() for found in every] == [[8.0], [int(windows.min())], [256]]


def test_entropy_is_as_exact_as_float64():
    rng = np.random.default_rng(1)
    for side, different in ((3, 3), (15, 7), (31, 40), (100, 200)):
        array = (rng.integers(0, different, (side, side)) ** 2 // different).astype(np.uint8)
        (found,) = ks.apply(ks.entropy, array, size=side, padding="valid", method="levels").ravel()
        _, counts = np.unique(array, return_counts=True)
        shares = [c / array.size for c in counts.tolist()]
        wanted = -math.fsum(p * math.log2(p) for p in shares)
        assert abs(found - wanted) <= 4e-16 * math.log2(array.size)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("size", [3, 15, 35])
def test_the_other_ways_give_the_same_bits(name, size):
    """Sorted in registers, sorted in memory, each level counted by itself."""
    for kind in ("noisy", "two values", "constant"):
        array = image(kind, (9, 20), "int8")
        every = [ks.apply(FUNCTIONS[name], array, size=size, method=method) for method in ("levels", "direct")]
        assert every[0].dtype == every[1].dtype
        assert every[0].tobytes() == every[1].tobytes()


def test_constant_windows_have_no_entropy():
    for size in (3, 7, 31, 100):
        found = ks.apply(ks.entropy, np.full((5, 90), -7, np.int8), size=size, method="levels")
        assert found.tobytes() == np.zeros((5, 90)).tobytes()


def test_the_largest_windows():
    array = image("noisy", (128, 130), "uint8")
    for name, function in FUNCTIONS.items():
        found = ks.apply(function, array, size=128, padding="valid", method="levels")
        for x in range(3):
            np.testing.assert_allclose(
                found[0, x], np.asarray(function(array[:, x : x + 128])), rtol=1e-13, err_msg=name
            )
    with pytest.raises(ks.TracingError, match=r"(?s)most frequent of 16512 samples.*16384 of 8 bits"):
        ks.apply(ks.majority, array, size=(128, 129), method="traced")


# -- lines and columns -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize(("stride", "dilation"), [((2, 1), 1), ((5, 1), (1, 3)), (1, (1, 7)), (1, 2)])
def test_strides_along_y_and_dilation(stride, dilation):
    words = WindowWords((9, 11), dilation=dilation)
    assert_all_three([image("random", (50, 60), "uint8")], words, stride=stride)


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("shape", [(300,), (7, 9, 40), (3, 4, 5, 30)])
def test_windows_of_any_number_of_axes(shape):
    size = {1: 31, 3: (3, 5, 9), 4: 3}[len(shape)]
    assert_all_three([image("random", shape, "uint8")], WindowWords(size))


@pytest.mark.parametrize("channels", [2, 3])
def test_interleaved_channels(channels):
    array = image("noisy", (10, 47, channels), "uint8")
    for function in FUNCTIONS.values():
        found = ks.apply(function, array, size=9, axes=(0, 1), method="levels")
        for c in range(channels):
            alone = ks.apply(function, array[..., c].copy(), size=9, method="direct")
            np.testing.assert_array_equal(found[..., c], alone)


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("order", ["F", "strided", "reversed"])
def test_memory_orders(order):
    array = image("random", (60, 70), "uint8")
    array = {"F": np.asfortranarray(array), "strided": array[::2, ::3], "reversed": array[::-1, ::-1]}[order]
    assert_all_three([array], WindowWords(7))


@pytest.mark.usefixtures("_always")
def test_windows_of_two_arrays_and_what_else_is_made_of_them():
    arrays = [image(kind, (30, 40), "uint8", seed) for seed, kind in enumerate(("random", "noisy"))]
    words = [WindowWords(7), WindowWords((5, 31), "wrap")]

    def function(a, b):
        return binary("subtract", all_three(a)[0], all_three(b)[0]), middle(a), reductions.majority(b), b

    assert_found_in_tiles(function, arrays, words, method="levels")


def test_functions_that_count_in_other_words():
    array = image("noisy", (12, 40), "uint8")
    wanted = ks.apply(ks.entropy, array, size=9, method="direct")
    for function in (
        lambda w: ks.entropy(w.ravel()),
        lambda w: ks.entropy(w, axis=(0, 1)),
        lambda w: ks.entropy(w, keepdims=True)[0, 0],
    ):
        np.testing.assert_array_equal(ks.apply(function, array, size=9, method="levels"), wanted)


# -- how work is cut ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_any_number_of_workers_gives_the_same(workers, monkeypatch):
    monkeypatch.setattr("kernelscape.execute.executable.INLINE_SECONDS", 0.0)
    array = image("noisy", (150, 700), "uint8")
    job = make_job(all_three, [array], [WindowWords(5)])
    for found, wanted in zip(run(job, [array], workers=workers), evaluate(job, [array]), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize(("limit", "rows"), [(1, 1), (1, 3), (70, 2), (200, 6), (33, 64)])
def test_any_cut_gives_the_same(limit, rows, monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_LIMIT", limit)
    monkeypatch.setattr(frequencies, "ROWS", rows)
    array = image("noisy", (70, 500), "uint8")
    job = make_job(all_three, [array], [WindowWords((5, 9))])
    plan = plan_of(job, [array])
    assert plan.stage.rows == rows
    for found, wanted in zip(
        run(job, [array], executable=Executable(plan, checked=False)), evaluate(job, [array]), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("checked", [False, True])
def test_targets_and_the_checked_build(target, checked):
    for array in (image("random", (20, 70), "uint8"), image("noisy", (9, 8, 30), "int8")):
        words = WindowWords((3, 5, 9)[-array.ndim :])
        assert_all_three([array], words, target=target, checked=checked)


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize(
    ("shape", "words"),
    [((37, 90), WindowWords(9)), ((5, 9), WindowWords(31)), ((130, 33), WindowWords((3, 5), dilation=(1, 7)))],
)
def test_scratch_memory_has_room_for_all(shape, words, monkeypatch):
    kept = keep_scratch(monkeypatch)
    assert_all_three([image("random", shape, "uint8")], words)
    assert_scratch_intact(kept)


def test_selected_outputs_have_the_same_bits():
    array = image("noisy", (150, 200), "uint8")
    whole = ks.apply(ks.entropy, array, size=15)
    rng = np.random.default_rng(0)
    for share in (0.001, 0.3, 0.9):
        at = rng.random(array.shape) < share
        at[50:90, 100:180] = True
        found = ks.apply(ks.entropy, array, size=15, at=at)
        np.testing.assert_array_equal(found, np.where(at, whole, array))
    points = rng.integers(0, 150, (20, 2))
    found = ks.sample(ks.entropy, array, size=15, points=points)
    np.testing.assert_array_equal(found, whole[points[:, 0], points[:, 1]])


# -- where it is used --------------------------------------------------------------------------------------------------


def test_large_windows_are_counted_and_small_ones_sorted():
    array = np.zeros((600, 600), np.uint8)
    for name, size, wanted in (
        ("majority", 3, False),
        ("entropy", 7, True),
        ("variety", 31, True),
        ("majority", 15, True),
    ):
        words = ks.stencil(FUNCTIONS[name], size=size).plan(array).explain()
        assert words.startswith("plan: levels") == wanted
        assert ("1 fact about equal samples by histograms that move with the window" in words) or size < 5
    assert "\nerror: exact\n" in ks.stencil(ks.majority, size=15).plan(array).explain()


@pytest.mark.parametrize("options", [{"mode": "shrink"}, {"stride": (1, 2)}, {"where": True}, {"footprint": True}])
def test_what_keeps_the_other_ways(options):
    array = image("noisy", (12, 30), "uint8")
    options = {"size": 13, **options}
    if "where" in options:
        options["where"] = array > 9
    if "footprint" in options:
        options = {"footprint": np.tri(13, dtype=bool)}
    for function in FUNCTIONS.values():
        words = ks.stencil(lambda w, function=function: function(w), **options).plan(array).explain()
        assert not words.startswith("plan: levels")
        assert re.search(r"levels +- +does not apply: \w+", words)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_more_samples_than_are_sorted(name, dtype):
    """Each level of a window of more than 1024 is counted by itself, where histograms do not move with it."""
    function, array = FUNCTIONS[name], image("noisy", (5, 70), dtype)
    found = ks.apply(function, array, size=33, stride=(1, 2), method="direct")
    np.testing.assert_array_equal(found, ks.apply(function, array, size=33, method="levels")[:, ::2])
    mask = np.tri(48, dtype=bool)
    array = image("noisy", (49, 50), dtype)
    found = ks.apply(function, array, footprint=mask, padding="valid", method="traced")
    windows = np.lib.stride_tricks.sliding_window_view(array, mask.shape)[..., mask]
    wanted = [[function(window) for window in row] for row in windows]
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_what_applies():
    shape = TileShape(taps=31, step=1, lines=31, moved=1, each=1, rows=64, positions=512)
    found = TileRuns(0, "bits", np.dtype(np.int64))
    assert frequencies.tiles(shape, found, 64, 256) == (found, 128, 512)
    assert frequencies.tiles(shape, found, 64, 32) == (found, 32, 512)
    assert frequencies.applies(replace(shape, lines=128, taps=128))
    assert frequencies.tiles(replace(shape, lines=128, taps=129), found, 64, 256) is None
    assert [frequencies.together(n) for n in (1, 2, 3, 4, 128)] == [1, 2, 2, 4, 4]


def test_costs_grow_with_one_side():
    def cost(size, measure):
        shape = TileShape(taps=size, step=1, lines=size, moved=1, each=1, rows=128, positions=512)
        return frequencies.costs(shape, TileRuns(0, measure, np.dtype(np.int64)))

    for measure in ex.RUN_MEASURES:
        assert cost(62, measure) < 2.1 * cost(31, measure)
