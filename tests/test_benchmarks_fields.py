"""What the benchmark of kernel fields compares with is right, and its limits, tables and memory mean what they say.

Compared here: the definition in `benchmarks/field_inputs.py` with SciPy and with known answers, the harness with
made-up contestants, the measurement of memory with a known amount. The peers themselves (Numba, torch, pylops) are
compared by `python -m benchmarks --check`.
"""

import dataclasses

import numpy as np
import pytest
import scipy.ndimage

from benchmarks import field_inputs
from benchmarks.harness import OURS, Job, Result, Run, Timing, check_job, measure_job
from benchmarks.memory import ALLOWED, SCRIPT, peak_of, run_script, script_of
from benchmarks.report import comparison, peak_rows, remarks, tables_of

SHAPE = (19, 23)
RNG = np.random.default_rng(7)
IMAGE = RNG.random(SHAPE)


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


# -- the definition ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_a_constant_field_is_scipys_correlation(mode):
    kernel = RNG.random((5, 3))
    weights = np.broadcast_to(kernel, (*SHAPE, 5, 3))
    assert_close(field_inputs.gather(IMAGE, weights, mode), scipy.ndimage.correlate(IMAGE, kernel, mode=mode))


def test_a_constant_field_scattered_is_scipys_convolution():
    kernel = RNG.random((5, 3))
    weights = np.broadcast_to(kernel, (*SHAPE, 5, 3))
    assert_close(field_inputs.scatter(IMAGE, weights), scipy.ndimage.convolve(IMAGE, kernel, mode="constant"))


def test_scatter_returns_the_kernel_of_an_impulse_and_is_the_adjoint_of_gather():
    weights = RNG.random((*SHAPE, 5, 3))
    impulse = np.zeros(SHAPE)
    impulse[7, 9] = 1
    assert_close(field_inputs.scatter(impulse, weights)[5:10, 8:11], weights[7, 9])
    other = RNG.random(SHAPE)
    ahead = np.vdot(field_inputs.gather(IMAGE, weights, "constant"), other)
    assert_close(np.vdot(IMAGE, field_inputs.scatter(other, weights)), ahead)


@pytest.mark.parametrize("size", [None, 7])
def test_gaussians_are_scipys_and_end_where_scipys_end(size):
    sigma = np.full(SHAPE, 0.85, np.float32)  # four sigmas are 3.4 pixels: a radius of 3
    weights = field_inputs.gaussian_weights(size)(IMAGE, sigma)
    blurred = scipy.ndimage.gaussian_filter(IMAGE, float(sigma[0, 0]), radius=3)
    assert_close(field_inputs.gather(IMAGE, weights, "reflect"), blurred)


def test_windows_of_gaussians_follow_the_map():
    sigma = np.array([[0.5, 2.0]], np.float32)
    weights = field_inputs.gaussian_weights(None)(np.zeros((1, 2)), sigma)
    assert weights.shape == (1, 2, 17, 17)
    assert [int(np.count_nonzero(kernel)) for kernel in weights[0]] == [25, 289]


def test_a_grid_gives_its_kernels_at_the_nodes_halves_between_and_the_nearest_outside():
    nodes = np.array([3, 7])
    index, weight = field_inputs.hats(10, nodes)
    values = (np.array([10.0, 20.0])[index] * weight).sum(axis=1)
    assert values.tolist() == [10, 10, 10, 10, 12.5, 15, 17.5, 20, 20, 20]


def test_terms_of_a_grid_make_the_bilinear_interpolation():
    ys, xs = np.array([2, 6, 10]), np.array([1, 11, 21])
    kernels = (ys[:, None] * 100.0 + xs)[:, :, None, None]
    values = field_inputs.grid_weights(IMAGE, kernels, ys, xs)[:, :, 0, 0]
    expected = np.clip(np.arange(SHAPE[0]), 2, 10)[:, None] * 100.0 + np.clip(np.arange(SHAPE[1]), 1, 21)
    np.testing.assert_allclose(values, expected, rtol=1e-6)  # the terms are float32, as contestants get them


def test_terms_of_points_reproduce_planes():
    _, _, places = field_inputs.points(3)(SHAPE, np.random.default_rng(0))
    kernels = (places @ [3.0, 5.0])[:, None, None]
    values = field_inputs.points_weights(IMAGE, kernels, places)[:, :, 0, 0]
    np.testing.assert_allclose(values, 3.0 * np.arange(SHAPE[0])[:, None] + 5.0 * np.arange(SHAPE[1]), atol=1e-4)


def test_pixels_outside_of_the_hull_are_refused():
    with pytest.raises(ValueError, match="pixels are outside the hull"):
        field_inputs.terms_of_points((9, 9), np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]]))


@pytest.mark.parametrize("taps_first", [False, True])
def test_dense_weights_lie_in_memory_as_said(taps_first):
    _, weights = field_inputs.dense(5, taps_first)(SHAPE, RNG)
    assert weights.shape == (*SHAPE, 5, 5)
    assert weights.flags.c_contiguous != taps_first


# -- the harness ------------------------------------------------------------------------------------------------------


def doubled(image):
    return Run(lambda: image * np.float32(2), volume=image.nbytes)


def total(image):
    return Run(lambda: np.sum(image, keepdims=True))


JOB = Job(
    name="example",
    inputs=lambda shape, rng: (rng.random(shape, dtype=np.float32),),
    contestants={OURS: doubled, "peer": doubled, "limit": total, "absent": doubled},
    oracle=lambda image: image + image,
    tolerance=1e-6,
    goals={"limit": 1e-9, "absent": 2.0},
    limits={"limit": lambda image: np.sum(image, keepdims=True)},
    needs={"absent": "no_such_module", "peer": "numpy"},
    extent=48,
    table="Examples",
)


def test_the_oracle_may_be_a_function_and_a_limit_has_its_own():
    assert check_job(JOB) == {}
    wrong = dataclasses.replace(JOB, oracle=lambda image: image, limits={"limit": lambda image: np.zeros((1, 1), "f")})
    assert set(check_job(wrong)) == {OURS, "peer", "limit"}


def test_who_is_not_installed_is_named_and_reaches_no_goal():
    result = measure_job(JOB, size=64, repeat=3)
    assert set(result.timings) == {OURS, "peer", "limit"}
    (table,) = tables_of([result]).values()
    assert table[1][table[0].index("absent ms")] == "not installed"
    assert table[1][table[0].index("results")] == "all agree"
    assert result.missed() == ["absent not measured, goal 2x"]


def test_the_extent_of_a_job_is_its_own():
    seen = []
    inputs = JOB.inputs
    job = dataclasses.replace(JOB, inputs=lambda shape, rng: seen.append(shape) or inputs(shape, rng))
    result = measure_job(job, size=64, repeat=1)
    assert seen[-1] == (48, 48)
    assert result.timings[OURS].volume == 48 * 48 * 4


def test_results_are_compared_at_the_size_that_is_timed():
    def wrong_when_large(image):
        return Run(lambda: image * np.float32(2 if image.size > 48 * 48 else 3))

    job = dataclasses.replace(JOB, contestants={OURS: wrong_when_large, "peer": doubled}, limits={}, needs={})
    result = measure_job(job, size=64, repeat=1)
    assert set(result.failures) == {OURS}
    assert result.failures[OURS].startswith("48x48, beside peer: AssertionError: largest difference")
    assert set(result.timings) == {"peer"}


def test_limits_are_no_peers_and_are_compared_round_by_round():
    timings = {OURS: Timing((4.0, 8.0, 10.0)), "peer": Timing((9.0, 6.0, 9.0)), "limit": Timing((3.0, 6.0, 1.0))}
    result = Result(JOB, timings, {}, {})
    assert result.best_peer() == "peer"
    assert result.ratio("peer") == 6.0 / 4.0
    assert result.ratio("limit") == 0.75
    assert comparison(result) == "1.50x (peer); 75% of the speed of limit"


def test_the_pace_of_reading_is_told():
    result = Result(JOB, {OURS: Timing((0.002, 0.004), volume=100_000_000)}, {}, {})
    assert f"example: {OURS}: 100 MB at 50.0 GB/s" in remarks([result])


def test_each_table_has_its_own_columns():
    other = dataclasses.replace(JOB, contestants={OURS: doubled}, table="Others")
    tables = tables_of([Result(job, {}, {}, {}) for job in (JOB, other, JOB)])
    assert list(tables) == ["Examples", "Others"]
    assert [len(rows) for rows in tables.values()] == [3, 2]
    assert tables["Others"][0] == ["job", f"{OURS} ms", "best peer / ours", "results", "goals"]


# -- memory -----------------------------------------------------------------------------------------------------------


def test_memory_that_is_taken_for_a_moment_is_found():
    call = "(np.ones(4_000_000), image + 1)[1]"
    peak = peak_of("example", run_script(SCRIPT.format(call=call, check=""), 256), 256)
    assert peak.arrays == 3 * 256 * 256 * 4
    assert 31e6 < peak.extra < 40e6


def test_wrong_results_have_no_memory():
    with pytest.raises(RuntimeError, match=r"expected .*, got"):
        run_script(script_of("image * 1  # size=31"), 128)


def test_what_was_taken_is_less_the_output():
    peak = peak_of("example", {"before": 10, "peak": 47, "inputs": 8, "output": 7, "seconds": 1.5}, 2)
    assert (peak.arrays, peak.extra, peak.goal, peak.dense) == (15, 30, ALLOWED, 2 * 2 * 31 * 31 * 4)
    assert peak_rows([peak])[1][5] == "reached"
    assert peak_rows([dataclasses.replace(peak, extra=ALLOWED + 1)])[1][5] == "missed"
