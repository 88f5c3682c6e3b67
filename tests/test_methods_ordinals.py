"""Ranks of windows of any dtype, whose samples are numbered tile by tile, against the definition and NumPy, to the bit.

Compared: every dtype and width of keys, numbers of one to four words for each level, values that are equal, infinite or
NaN, zeros of both signs. How tiles are cut and lines lie is compared for levels of 8 bits, which this builds on, and
here once more in short. On purpose not compared with NumPy: the sign of a zero among zeros of both signs, where a
partial sort may choose.
"""

from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage

import kernelscape as ks
from kernelscape.execute import Executable, segments
from kernelscape.loops import TILE_SIDE, TileRanks, TileShape
from kernelscape.methods import ordinals
from tests.oracle.engine import TARGETS, plan_of, run
from tests.oracle.jobs import make_job, rank
from tests.oracle.tiles import IMAGES, WindowWords, always, assert_found_in_tiles, image, middle, never

F32 = np.dtype(np.float32)
DTYPES = ("uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64")


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    always(monkeypatch)


def wide_range(shape, dtype, seed=0):
    """Give numbers of all magnitudes of a dtype, some of them equal."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        found = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    else:
        found = (rng.standard_normal(shape) * 10.0 ** rng.integers(-4, 4, shape)).astype(dtype)
    return np.where(rng.random(shape) < 0.2, dtype.type(7), found)


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_all_dtypes(dtype):
    array = wide_range((33, 60), dtype)
    assert_found_in_tiles(middle, [array], WindowWords((13, 12)), method="ordinals")


@pytest.mark.parametrize("size", [3, (5, 7), (3, 41), (41, 3), 31, 48, 63, 65])
def test_windows_of_all_sizes(size):
    assert_found_in_tiles(middle, [wide_range((19, 37), "uint16")], WindowWords(size), method="ordinals")


@pytest.mark.parametrize("per_level", ordinals.PER_LEVEL)
def test_levels_of_one_to_four_words(per_level, monkeypatch):
    monkeypatch.setattr(ordinals, "PER_LEVEL", (per_level,))
    for array in (wide_range((120, 130), "float32"), image("two values", (120, 130), "uint16")):
        job = make_job(lambda w: (rank(w, 0), rank(w, 60)), [array], [WindowWords((11, 13))])
        plan = plan_of(job, [array])
        assert plan.stage.tile_ranks[0].per_level == per_level
        found = run(job, [array], executable=Executable(plan, checked=False))
        for result, place in zip(found, (0, 60), strict=True):
            np.testing.assert_array_equal(result, scipy.ndimage.rank_filter(array, place, (11, 13)))


@pytest.mark.parametrize("kind", IMAGES)
def test_images_of_all_kinds_as_scipy_does(kind):
    for dtype in ("uint16", "float32"):
        array = image(kind, (150, 230), dtype) if dtype == "uint16" else image(kind, (150, 230), dtype) / F32.type(3)
        found = ks.apply(np.median, array, size=15, output=array.dtype)
        np.testing.assert_array_equal(found, scipy.ndimage.median_filter(array, 15))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_reaches_the_windows_that_have_it(dtype):
    array = wide_range((60, 200), dtype)
    array[40:, :90] = np.nan
    array[5, [7, 150]] = np.nan
    array[10, 20], array[30, 100:140], array[31, 100:140] = np.inf, np.inf, -np.inf
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(array, [(6, 6), (7, 7)], "symmetric"), (13, 15))
    with np.errstate(all="ignore"):
        found, expected = ks.apply(np.median, array, size=(13, 15)), np.median(windows, axis=(2, 3))
    np.testing.assert_array_equal(found, expected)
    assert 0.05 < np.isnan(found).mean() < 0.95


def test_nan_is_sorted_last_where_nobody_looks_for_it():
    array = wide_range((30, 40), "float32")
    array[10:20, 5:25] = np.nan
    for place in (0, 84, 168):
        assert_found_in_tiles(lambda w, place=place: rank(w, place), [array], WindowWords(13), method="ordinals")


def test_signs_of_zeros_and_payloads_of_nan_are_those_of_the_other_way(monkeypatch):
    rng = np.random.default_rng(0)
    array = rng.choice(np.array([-0.0, 0.0, -1.0, 1.0, np.nan], np.float32), (40, 60), p=[0.4, 0.4, 0.09, 0.09, 0.02])
    job = make_job(middle, [array], [WindowWords((11, 13))])
    (found,) = run(job, [array], executable=Executable(plan_of(job, [array]), checked=False))
    never(monkeypatch)
    (other,) = run(job, [array], executable=Executable(plan_of(job, [array]), checked=False))
    assert found.tobytes() == other.tobytes()


@pytest.mark.parametrize(("q", "dtype"), [(0, "uint16"), (33.3, "float64"), ([10, 90], "float64")])
def test_percentiles_as_numpy_computes_them(q, dtype):
    array = wide_range((40, 50), dtype)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(array, [(7, 6)] * 2, "symmetric"), (14, 14))
    found = ks.apply(lambda w: np.percentile(w, q), array, size=14)
    expected = np.percentile(windows, q, axis=(2, 3))
    np.testing.assert_array_equal(found, expected if np.ndim(q) == 0 else np.moveaxis(expected, 0, -1))


# -- lines, columns, cuts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap", "constant"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (21, 34)])
def test_all_modes_on_small_images(mode, shape):
    words = WindowWords((15, 12), mode, cval=9, origin=(3, -2))
    assert_found_in_tiles(middle, [wide_range(shape, "int16")], words, method="ordinals")


@pytest.mark.parametrize(
    ("shape", "size", "stride", "dilation"),
    [
        ((300,), 131, 1, 1),
        ((7, 9, 40), (3, 5, 9), 1, 1),
        ((50, 60), (9, 11), (2, 1), 1),
        ((50, 60), (9, 11), (5, 1), (1, 3)),
        ((90, 40), 9, 1, 2),
    ],
)
def test_other_lines(shape, size, stride, dilation):
    words = WindowWords(size, dilation=dilation)
    assert_found_in_tiles(middle, [wide_range(shape, "float32")], words, method="ordinals", stride=stride)


def test_interleaved_channels():
    array = wide_range((40, 47, 3), "uint16")
    found = ks.apply(np.median, array, size=13, axes=(0, 1), output=np.uint16)
    for c in range(3):
        np.testing.assert_array_equal(found[..., c], scipy.ndimage.median_filter(array[..., c], 13))


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_any_number_of_workers_and_any_cut_give_the_same(workers, monkeypatch):
    array = wide_range((170, 300), "float32")
    job = make_job(middle, [array], [WindowWords((9, 21))])
    wanted = scipy.ndimage.median_filter(array, (9, 21))
    monkeypatch.setattr("kernelscape.execute.executable.INLINE_SECONDS", 0.0)
    for limit in (1 << 15, 20 * workers):
        monkeypatch.setattr(segments, "SEGMENT_LIMIT", limit)
        np.testing.assert_array_equal(run(job, [array], workers=workers)[0], wanted)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("checked", [False, True])
def test_targets_and_the_checked_build(target, checked):
    for array in (wide_range((20, 70), "float32"), wide_range((20, 70), "int64")):
        words = WindowWords((5, 9))
        assert_found_in_tiles(middle, [array], words, method="ordinals", target=target, checked=checked)


def test_selected_outputs_have_the_same_bits():
    array = wide_range((200, 300), "float32")
    array[60, 60] = np.nan
    whole = ks.apply(np.median, array, size=15)
    rng = np.random.default_rng(0)
    for share in (0.001, 0.3):
        at = rng.random(array.shape) < share
        at[50:90, 100:250] = True
        found = ks.apply(np.median, array, size=15, at=at)
        np.testing.assert_array_equal(found, np.where(at, whole, array))


# -- where it is used --------------------------------------------------------------------------------------------------


def tiles(size, dtype=F32, unit=16, **changes):
    shape = TileShape(taps=size, step=1, lines=size, moved=1, each=1, rows=1, positions=unit)
    shape = replace(shape, **changes)
    found = ordinals.tiles(shape, TileRanks(0, (size * size // 2,), dtype), unit)
    return found, None if found is None else replace(shape, rows=found[1], positions=found[2])


@pytest.mark.parametrize("size", [3, 13, 31, 63, 101, 151])
def test_a_tile_has_room_for_all_numbers(size):
    (ranks, rows, positions), shape = tiles(size)
    assert shape.all_lines <= TILE_SIDE
    assert shape.columns <= TILE_SIDE
    assert shape.all_lines * shape.columns <= 256 * ranks.per_level
    assert rows > 0
    assert positions % 16 == 0


def test_windows_that_fill_a_tile_are_left_to_others():
    assert tiles(255)[0] is None
    assert tiles(31, lines=300)[0] is None
    assert tiles(31, step=9)[0] is None


def test_costs_grow_slowly_with_the_window():
    def cost(size):
        (ranks, _, _), shape = tiles(size)
        return ordinals.costs(shape, ranks)

    assert cost(31) < 1.5 * cost(13)
    assert cost(63) < 2 * cost(13)
