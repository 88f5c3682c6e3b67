"""Ranks of 8-bit windows by histograms that move with the window, against the definition and SciPy, bit for bit.

Every way in which a tile can be cut and every way in which its lines can lie is compared; how long it takes is a matter
of the benchmarks. On purpose not compared: windows in which samples may be missing, which keep the other ways.
"""

import re
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage

import kernelscape as ks
from kernelscape.execute import Executable, segments
from kernelscape.loops import TileRanks, TileShape
from kernelscape.methods import levels
from kernelscape.reference import evaluate
from tests.oracle.engine import TARGETS, plan_of, run
from tests.oracle.jobs import binary, largest, make_job, rank
from tests.oracle.tiles import IMAGES, WindowWords, always, assert_found_in_tiles, image, middle, never

U8 = np.dtype(np.uint8)


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    always(monkeypatch)


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, (5, 7), 8, 13, (3, 41), (41, 3), 31, 48, 63, 65])
def test_windows_of_all_sizes(size):
    assert_found_in_tiles(middle, [image("noisy", (19, 37), "uint8")], WindowWords(size), method="levels")


@pytest.mark.parametrize("dtype", ["int8", "bool"])
@pytest.mark.parametrize("size", [4, 13])
def test_other_dtypes_of_8_bits(size, dtype):
    array = image("noisy", (19, 37), dtype)
    assert_found_in_tiles(middle, [array], WindowWords(size), method="levels")


@pytest.mark.parametrize("kind", IMAGES)
def test_images_of_all_kinds_as_scipy_does(kind):
    array, size = image(kind, (150, 600), "uint8"), 12
    for place in (0, 1, 36, 72, 143):
        found = ks.apply(lambda w, place=place: np.sort(w, axis=None)[place], array, size=size)
        np.testing.assert_array_equal(found, scipy.ndimage.rank_filter(array, place, size))


@pytest.mark.parametrize("mode", ["reflect", "mirror", "nearest", "wrap", "constant"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (40, 1), (21, 34)])
def test_all_modes_on_small_images(mode, shape):
    array = image("random", shape, "uint8")
    assert_found_in_tiles(middle, [array], WindowWords((15, 12), mode, cval=9, origin=(3, -2)), method="levels")


def test_many_ranks_of_one_window_and_what_else_is_made_of_it():
    def several(w):
        parts = [rank(w, place) for place in (0, 17, 84, 84, 168)]
        return (*parts, binary("maximum", parts[1], largest(w)), w)

    assert_found_in_tiles(several, [image("random", (30, 40), "uint8")], WindowWords(13), method="levels")


@pytest.mark.parametrize(("dtype", "method"), [("uint8", "levels"), ("float32", "ordinals")])
@pytest.mark.parametrize("stride", [1, (2, 1)])
def test_beside_maps_coordinates_and_kernels(dtype, method, stride):
    rng = np.random.default_rng(0)
    array, places, kernel = image("noisy", (70, 90), dtype), rng.random((70, 90)), rng.random((13, 13))

    def function(w, y, x, m, k):
        return np.median(w) + y * 1000 + x + m * np.max(w) + np.sum(w * k)

    arguments = (array, ks.index(0), ks.index(1), ks.pixel(places), ks.kernel(kernel))
    results = [ks.apply(function, *arguments, size=13, stride=stride, method=name) for name in (method, "direct")]
    assert results[0].tobytes() == results[1].tobytes()


def test_nan_in_an_integer_output_is_an_error():
    array = image("noisy", (40, 90), "float32")
    array[5, 5] = np.nan
    with pytest.raises(ks.errors.ArgumentError, match="NaN"):
        ks.apply(np.median, array, size=13, output=U8, method="ordinals")
    found = ks.apply(np.median, array, size=13, output=np.int16, method="ordinals", invalid=-1000)
    assert (found[:12, :12] == -1000).all()
    assert (found[12:, 12:] != -1000).all()


def test_windows_of_two_arrays():
    arrays = [image(kind, (30, 40), "uint8", seed) for seed, kind in enumerate(("random", "noisy"))]
    words = [WindowWords(13), WindowWords((5, 31), "wrap")]
    assert_found_in_tiles(
        lambda a, b: binary("subtract", middle(a), middle(b)), arrays, words, method="levels"
    )  # fmt: skip


@pytest.mark.parametrize("q", [0, 37.5, [5, 25, 75]])
def test_percentiles_as_numpy_computes_them(q):
    array = image("noisy", (40, 50), "uint8")
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(array, [(7, 6)] * 2, "symmetric"), (14, 14))
    found = ks.apply(lambda w: np.percentile(w, q), array, size=14)
    expected = np.percentile(windows, q, axis=(2, 3))
    np.testing.assert_array_equal(found, expected if np.ndim(q) == 0 else np.moveaxis(expected, 0, -1))


# -- lines and columns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stride", "dilation"), [((2, 1), 1), ((5, 1), (1, 3)), (1, (1, 7))])
def test_strides_along_y_and_dilation(stride, dilation):
    array = image("random", (50, 60), "uint8")
    words = WindowWords((9, 11), dilation=dilation)
    assert_found_in_tiles(middle, [array], words, method="levels", stride=stride)


def test_dilation_along_y_has_rows_that_are_apart():
    assert_found_in_tiles(middle, [image("random", (90, 40), "uint8")], WindowWords(9, dilation=2), method="levels")


@pytest.mark.parametrize("shape", [(300,), (7, 9, 40), (3, 4, 5, 30)])
def test_windows_of_any_number_of_axes(shape):
    size = {1: 131, 3: (3, 5, 9), 4: 3}[len(shape)]
    assert_found_in_tiles(middle, [image("random", shape, "uint8")], WindowWords(size), method="levels")


@pytest.mark.parametrize("channels", [2, 3])
def test_interleaved_channels(channels):
    array = image("random", (40, 47, channels), "uint8")
    found = ks.apply(np.median, array, size=13, axes=(0, 1), output=U8)
    for c in range(channels):
        np.testing.assert_array_equal(found[..., c], scipy.ndimage.median_filter(array[..., c], 13))


@pytest.mark.parametrize("order", ["C", "F", "strided", "reversed"])
def test_memory_orders(order):
    array = image("random", (60, 70), "uint8")
    array = {"C": array, "F": np.asfortranarray(array), "strided": array[::2, ::3], "reversed": array[::-1, ::-1]}[
        order
    ]
    assert_found_in_tiles(middle, [array], WindowWords(13), method="levels")


def test_converted_rows_are_levels_where_they_have_8_bits():
    array = image("random", (40, 50), "uint8").astype(np.float64)
    found = ks.apply(np.median, array, size=13, dtype=np.uint8, output=U8)
    np.testing.assert_array_equal(found, scipy.ndimage.median_filter(array.astype(np.uint8), 13))


# -- how work is cut ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_any_number_of_workers_gives_the_same(workers, monkeypatch):
    monkeypatch.setattr("kernelscape.execute.executable.INLINE_SECONDS", 0.0)
    array = image("noisy", (200, 700), "uint8")
    job = make_job(middle, [array], [WindowWords(15)])
    (found,) = run(job, [array], workers=workers)
    np.testing.assert_array_equal(found, scipy.ndimage.median_filter(array, 15))


@pytest.mark.parametrize(("limit", "rows"), [(1, 5), (70, 1), (200, 64)])
def test_any_cut_gives_the_same(limit, rows, monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_LIMIT", limit)
    monkeypatch.setattr(levels, "ROWS", rows)
    array = image("noisy", (70, 500), "uint8")
    job = make_job(middle, [array], [WindowWords((9, 21))])
    plan = plan_of(job, [array])
    assert plan.stage.rows == rows
    (found,) = run(job, [array], executable=Executable(plan, checked=False))
    np.testing.assert_array_equal(found, scipy.ndimage.median_filter(array, (9, 21)))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("checked", [False, True])
def test_targets_and_the_checked_build(target, checked):
    for array in (image("random", (20, 70), "uint8"), image("random", (9, 8, 30), "int8")):
        words = WindowWords((3, 5, 9)[-array.ndim :])
        assert_found_in_tiles(middle, [array], words, method="levels", target=target, checked=checked)


def test_selected_outputs_have_the_same_bits(monkeypatch):
    array = image("noisy", (150, 200), "uint8")
    whole = ks.apply(np.median, array, size=15, output=U8)
    rng = np.random.default_rng(0)
    for share in (0.001, 0.3, 0.9):
        at = rng.random(array.shape) < share
        at[50:90, 100:180] = True
        found = ks.apply(np.median, array, size=15, output=U8, at=at)
        np.testing.assert_array_equal(found, np.where(at, whole, array))
        weights = at * rng.choice([0.25, 1.0], array.shape)
        mixed = ks.apply(np.median, array, size=15, output=np.float64, at=weights)
        np.testing.assert_array_equal(mixed, weights * whole + (1 - weights) * array)


# -- where it is used --------------------------------------------------------------------------------------------------


def test_the_other_way_gives_the_same_bits(monkeypatch):
    array = image("noisy", (40, 90), "uint8")
    job = make_job(middle, [array], [WindowWords(13)])
    never(monkeypatch)
    plan = plan_of(job, [array])
    assert plan.method not in ("levels", "ordinals")
    (found,) = run(job, [array], executable=Executable(plan, checked=False))
    np.testing.assert_array_equal(found, evaluate(job, [array])[0])


@pytest.mark.parametrize(
    "options",
    [{"mode": "shrink"}, {"stride": (1, 2)}, {"where": True}, {"nan_policy": "omit"}, {"footprint": True}],
)
def test_what_keeps_the_other_ways(options):
    array = image("noisy", (30, 40), "uint8")
    options = {"size": 13, **options}
    if "where" in options:
        options["where"] = array > 9
    if "footprint" in options:
        options = {"footprint": np.tri(13, dtype=bool)}
    if "nan_policy" in options:
        array = array.astype(np.float32)
    words = ks.stencil(np.median, **options).plan(array).explain()
    assert not words.startswith(("plan: levels", "plan: ordinals"))
    assert re.search(r"levels +- +does not apply: \w+", words)


def test_either_method_can_be_asked_for_and_says_where_it_does_not_apply():
    array = image("noisy", (30, 40), "uint8")
    found = ks.apply(np.median, array, size=5, method="levels")
    np.testing.assert_array_equal(found, scipy.ndimage.median_filter(array, 5))
    with pytest.raises(ks.errors.ArgumentError, match="does not apply here: samples have 8 bits"):
        ks.apply(np.median, array, size=5, method="ordinals")
    with pytest.raises(ks.errors.ArgumentError, match="does not apply here: samples have more than 8 bits"):
        ks.apply(np.median, array.astype(np.float32), size=5, method="levels")
    with pytest.raises(ks.errors.ArgumentError, match="does not apply here: nothing is one of a few elements"):
        ks.apply(np.mean, array, size=5, method="levels")


def test_plans_say_whether_they_round():
    array = image("noisy", (30, 40), "float32")
    assert "\nerror: exact\n" in ks.stencil(np.median, size=15).plan(array).explain()
    both = ks.stencil(lambda w: np.median(w) - np.mean(w), size=15)
    assert "\nerror: exact up to rounding\n" in both.plan(array).explain()


def test_what_applies():
    shape = TileShape(taps=31, step=1, lines=31, moved=1, each=1, rows=64, positions=512)
    found = TileRanks(0, (480,), U8)
    assert levels.applies(shape)
    assert levels.tiles(shape, found, 64, 256) == (found, 128, 512)
    assert levels.tiles(shape, found, 64, 32) == (found, 32, 512)
    assert not levels.applies(replace(shape, lines=256))  # the counts of a column have 8 bits
    assert not levels.applies(replace(shape, lines=255, taps=258))  # those of a window 16
    assert levels.applies(replace(shape, lines=255, taps=257))
    assert levels.tiles(replace(shape, lines=300), found, 64, 256) is None


def test_the_most_samples_that_can_be_counted():
    array = image("random", (3, 40), "uint8")
    assert_found_in_tiles(middle, [array], WindowWords((255, 257), "wrap"), method="levels")
    assert plan_of(make_job(middle, [array], [WindowWords((257, 5), "wrap")]), [array]).method != "levels"


def test_costs_hardly_depend_on_the_window():
    def cost(size):
        shape = TileShape(taps=size, step=1, lines=size, moved=1, each=1, rows=128, positions=512)
        return levels.costs(shape, TileRanks(0, (size * size // 2,), U8))

    assert cost(63) < 1.3 * cost(13)


# -- a person who does not want to wait --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_ctrl_c_ends_a_call_within_a_second(dtype):
    script = textwrap.dedent(f"""
        import os, signal, threading, time
        import numpy as np
        import kernelscape as ks
        array = np.random.default_rng(0).integers(0, 256, (1500, 1500)).astype("{dtype}")
        median = ks.stencil(np.median, size=63)
        median(array[:100, :100])
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        try:
            while True:
                median(array)
        except KeyboardInterrupt:
            print(time.monotonic() - start - 0.2)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1
