"""The benchmark's comparison can fail, and its ratios mean what they say.

What runs against the peers (OpenCV, Halide) is `python -m benchmarks --check`; here only the harness is tested, which
needs none of them.
"""

import numpy as np
import pytest

from benchmarks.harness import OURS, Job, Run, assert_agrees, check_job, measure_job, time_in_turns


def job_of(**contestants):
    return Job(
        name="example",
        inputs=lambda shape, rng: (rng.random(shape, dtype=np.float32),),
        contestants=contestants,
        oracle="oracle",
        tolerance=1e-6,
        goals={"oracle": 1000.0},
    )


def doubled(image):
    return Run(lambda: image * np.float32(2), detail="by multiplication")


def added(image):
    return Run(lambda: image + image)


def shifted(image):
    return Run(lambda: image * np.float32(2) + np.float32(1e-3))


def broken(image):
    raise ValueError("no such job")


EXPECTED = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        (EXPECTED + np.float32(1e-3), "largest difference"),
        (EXPECTED[:1], r"expected shape \(2, 2\), got \(1, 2\)"),
        (EXPECTED.astype(np.float64), "expected dtype float32, got float64"),
        (np.where(EXPECTED == 2, np.float32(np.nan), EXPECTED), "1 of 4 elements differ"),
    ],
)
def test_comparison_can_fail(actual, message):
    with pytest.raises(AssertionError, match=message):
        assert_agrees(actual, EXPECTED, 1e-6)


def test_comparison_accepts_rounding():
    assert assert_agrees(EXPECTED * np.float32(1 + 1e-7), EXPECTED, 1e-6) is None


def test_wrong_and_broken_contestants_are_named():
    failures = check_job(job_of(oracle=doubled, right=added, wrong=shifted, broken=broken))
    assert set(failures) == {"wrong", "broken"}
    assert "largest difference" in failures["wrong"]
    assert failures["broken"] == "61x97: ValueError: no such job"


def test_wrong_contestants_are_not_timed_and_ratios_are_relative_to_ours():
    contestants = {"oracle": doubled, OURS: added, "wrong": shifted}
    result = measure_job(job_of(**contestants), size=64, repeat=3)
    assert set(result.timings) == {"oracle", OURS}
    assert result.best_peer() == "oracle"
    assert result.ratio("oracle") == result.timings["oracle"].best / result.timings[OURS].best
    assert result.ratio("wrong") is None
    assert result.details == {"oracle": "by multiplication"}
    assert len(result.missed()) == 1
    assert "goal 1e+03x" in result.missed()[0]


def test_contestants_take_turns_after_a_warm_up():
    calls = []
    runs = {name: Run(lambda name=name: calls.append(name)) for name in ("a", "b")}
    times = time_in_turns(runs, repeat=3)
    # A timing is the second of two calls in a row; two timings warm up.
    assert calls == ["a"] * 4 + ["b"] * 4 + ["a", "a", "b", "b"] * 3
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}
