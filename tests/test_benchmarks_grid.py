"""The page of the benchmark says what was measured: rows, comparisons, records, tables and plots.

Compared here: made-up contestants and made-up numbers with what has to follow from them. The peers themselves are
compared by `python -m benchmarks --check`.
"""

import dataclasses

import numpy as np
import pytest

from benchmarks.goals import goal_table, goals_of
from benchmarks.harness import OURS, Job, Run, assert_agrees, centre_of, check_job, compare_runs
from benchmarks.machine import Limits, loop_of, multiply_adds
from benchmarks.page import behind_table, family_table, grid_table, inexact_table, page_of, summary_lines, write_page
from benchmarks.plots import write_plots
from benchmarks.record import Curve, Footprint, Record, Row, Wait, geometric_mean, load, save
from benchmarks.waits import RECIPES, measure_waits, run_recipe, script_of

LIMITS = Limits(copy=4e10, flops={"float32": 2e11, "float64": 1e11})
ROW = Row(
    name="correlate f32 3x3",
    family="correlate",
    kind="f32",
    side=3,
    best={OURS: 2e-3, "opencv": 3e-3, "scipy": 0.1, "quick": 1e-3},
    median={OURS: 2e-3, "opencv": 3e-3, "scipy": 0.1, "quick": 1e-3},
    scaled={"scipy": 512},
    notes={"quick": "cancels"},
    aside=("quick",),
    alone=("scipy",),
    contestants=4,
    compile=0.04,
    bytes=40_000_000,
    operations=200_000_000,
)
BEHIND = dataclasses.replace(
    ROW, name="mean u8 7x7", family="mean", kind="u8", side=7, best={OURS: 2e-3, "opencv": 1e-3}
)
ALONE = dataclasses.replace(ROW, name="entropy u8 7x7", family="entropy", best={OURS: 2e-3}, operations=0, compile=0.2)
RECORD = Record(
    machine=["a processor"],
    limits=LIMITS,
    rows=[ROW, BEHIND, ALONE],
    curves=[
        Curve("mean f32", "side", OURS, (3, 5, 7), (1e-3, 1e-3, 2e-3), (100, 100, 100)),
        Curve("mean f32", "side", "opencv", (3, 5), (1e-3, 1e-3), (100, 100)),
        Curve("mean f32 5x5", "extent", OURS, (64, 128), (1e-5, 3e-5), (4096, 16384)),
        Curve("mean f32 5x5", "threads", OURS, (1, 2), (2e-3, 1e-3), (100, 100)),
    ],
    waits=[Wait("opencv", "correlate f32 5x5", 0.1, 0.001, 1e-5)],
    footprints=[Footprint("mean f32 5x5", OURS, 4096, 67_108_864, 200_000)],
    tables={"Fields": [["job", "ms"], ["a field", "2.00 / 3.00"]]},
    remarks=["a field: as it is"],
)


# -- the harness ------------------------------------------------------------------------------------------------------


def job_of(inside=(), levels=0.0, **contestants):
    return Job(
        name="example",
        inputs=lambda shape, rng: (rng.integers(0, 200, shape, dtype=np.uint8),),
        contestants=contestants,
        oracle=lambda image: image + np.uint8(1),
        tolerance=0,
        inside=frozenset(inside),
        levels=levels,
    )


def right(image):
    return Run(lambda: image + np.uint8(1))


def cut(image):
    return Run(lambda: (image + np.uint8(1))[2:-2, 2:-2])


def shifted(image):
    return Run(lambda: (image + np.uint8(1))[1:-3, 2:-2])


def brighter(image):
    return Run(lambda: image + np.uint8(2))


def test_the_middle_of_an_array():
    assert centre_of(np.arange(7), (3,)).tolist() == [2, 3, 4]
    assert centre_of(np.arange(3), (7,)).tolist() == [0, 1, 2]


def test_who_has_no_border_is_compared_away_from_it():
    assert check_job(job_of(inside=["cut"], right=right, cut=cut)) == {}
    assert set(check_job(job_of(inside=["cut", "shifted"], right=right, cut=cut, shifted=shifted))) == {"shifted"}


def test_a_cut_output_is_wrong_where_nobody_said_so():
    assert set(check_job(job_of(right=right, cut=cut))) == {"cut"}


def test_levels_allow_a_difference_in_any_case():
    assert set(check_job(job_of(right=right, brighter=brighter))) == {"brighter"}
    assert check_job(job_of(levels=1.0, right=right, brighter=brighter)) == {}
    with pytest.raises(AssertionError, match="allowed 1;"):
        assert_agrees(np.array([5], np.uint8), np.array([3], np.uint8), 0, levels=1.0)


def test_coarse_contestants_have_levels_of_their_own():
    job = dataclasses.replace(job_of(right=right, brighter=brighter, cut=brighter), coarse={"brighter": 1.0})
    assert set(check_job(job)) == {"cut"}


@pytest.mark.parametrize("order", [("wrong", "a", "b"), ("a", "wrong", "b"), ("a", "b", "wrong")])
def test_the_one_with_whom_nobody_agrees_is_wrong(order):
    makers = {"wrong": brighter, "a": right, "b": right, OURS: right}
    job = job_of(**{name: makers[name] for name in (OURS, *order)})
    (image,) = job.inputs((8, 8), np.random.default_rng(0))
    runs = {name: make(image) for name, make in job.contestants.items()}
    assert set(compare_runs(job, runs, dict.fromkeys(runs, 8))) == {"wrong"}


# -- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_multiply_adds_are_counted(name):
    text, operations = loop_of(np.dtype(name))
    lanes = operations // 24  # of each vector: two operations, twelve sums
    assert text.count(f"call <{lanes} x ") == 12
    assert 1e8 < multiply_adds(np.dtype(name), rounds=10_000) < 1e13


# -- what users wait for ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", RECIPES)
def test_recipes_are_programs(package):
    assert compile(script_of(RECIPES[package]), package, "exec").co_names


@pytest.mark.parametrize("package", ["kernelscape", "scipy"])
def test_recipes_run_and_compare(package):
    (wait,) = measure_waits(processes=1, calls=1, packages=(package,))
    assert min(wait.imports, wait.first, wait.again) > 0


def test_a_recipe_with_a_wrong_result_fails():
    wrong = dataclasses.replace(RECIPES["scipy"], call="image + kernel[0, 0]")
    with pytest.raises(RuntimeError, match="not what the definition gives"):
        run_recipe(wrong, 1)


# -- rows and records -------------------------------------------------------------------------------------------------


def test_ratios_leave_out_what_is_less_exact():
    assert ROW.peer == "opencv"
    assert ROW.ratio == pytest.approx(1.5)
    assert not ROW.is_behind
    assert ROW.faster_aside == ["quick"]
    assert BEHIND.is_behind
    assert (ALONE.peer, ALONE.ratio, ALONE.is_behind) == (None, None, False)


@pytest.mark.parametrize(("kind", "side", "behind"), [("u8", 3, False), ("u8", 5, True), ("f32", 3, True)])
def test_small_windows_of_bytes_have_a_fifth_to_spare(kind, side, behind):
    row = dataclasses.replace(ROW, kind=kind, side=side, best={OURS: 1.1e-3, "opencv": 1e-3})
    assert row.is_behind == behind


def test_parts_of_the_limits():
    assert ROW.of_copy_speed(LIMITS) == pytest.approx(0.5)
    assert ROW.of_peak(LIMITS) == pytest.approx(0.5)
    assert dataclasses.replace(ROW, kind="f64").of_peak(LIMITS) == pytest.approx(1.0)
    assert ALONE.of_peak(LIMITS) is None


def test_goals_name_the_row_that_is_farthest_from_them():
    found = {goal.text: goal for goal in goals_of(RECORD.rows, LIMITS)}
    slowest = found["no row slower than its best peer, as far as is allowed"]
    assert (slowest.row, slowest.value, slowest.is_reached) == ("mean u8 7x7", pytest.approx(0.5), False)
    assert found["f32 correlation 3x3, of copy speed"].is_reached
    assert found["compile time of any row"].row == "entropy u8 7x7"
    assert not found["compile time of any row"].is_reached
    assert not any("7x7, of the peak" in text for text in found)


def test_flat_means_flat_from_7_to_31():
    sizes = {3: 1e-3, 7: 2e-3, 15: 2e-3, 31: 5e-3}
    rows = [dataclasses.replace(BEHIND, side=side, best={OURS: seconds}) for side, seconds in sizes.items()]
    (goal,) = (goal for goal in goals_of(rows, LIMITS) if goal.text.startswith("mean"))
    assert (goal.value, goal.is_reached) == (pytest.approx(2.5), False)
    assert goal_table(rows, LIMITS)[1] == [
        "mean, slowest of 7x7 to 31x31",
        "at most 1.50x",
        "2.50x",
        "mean u8",
        "missed",
    ]


def test_geometric_mean():
    assert geometric_mean([0.5, 2, 8]) == pytest.approx(2)
    assert np.isnan(geometric_mean([]))


def test_a_record_comes_back_from_its_file(tmp_path):
    save(RECORD, tmp_path / "folder" / "record.json")
    assert load(tmp_path / "folder" / "record.json") == RECORD
    save(Record(), tmp_path / "empty.json")
    assert load(tmp_path / "empty.json") == Record()


# -- the page ---------------------------------------------------------------------------------------------------------


def test_a_row_of_the_grid():
    head, row, *_ = grid_table([ROW], RECORD)
    cells = dict(zip(head, row, strict=True))
    assert cells == {
        "row": "correlate f32 3x3",
        "ours, ms": "2",
        "best peer, ms": "opencv 3",
        "ratio": "1.50",
        "others, ms": "(quick 1), scipy ~100°",
        "agree": "4 of 4",
        "copy": "50%",
        "FMA": "50%",
        "compile, ms": "40",
    }


def test_rows_that_failed_and_rows_behind_are_seen():
    failed = dataclasses.replace(ROW, best={"opencv": 1e-3}, failures={OURS: "wrong", "jax": "wrong"})
    assert grid_table([failed], RECORD)[1][1] == "failed"
    assert "**0.50**" in grid_table([BEHIND], RECORD)[1]
    assert "jax wrong" in grid_table([dataclasses.replace(ROW, failures={"jax": "no"})], RECORD)[1][4]


def test_the_summary_counts():
    text = "\n".join(summary_lines(RECORD.rows))
    assert "2 rows have a peer. Kernelscape is 0.87 times as fast" in text
    assert "not slower in 1 of them" in text
    assert "In 1 more rows" in text
    assert "200 ms at most (entropy u8 7x7); 1 of 3 rows took more than 150 ms" in text
    assert family_table(RECORD.rows)[1:] == [
        ["correlate", "1", "1.50", "1.50", "1.50", ""],
        ["mean", "1", "0.50", "0.50", "0.50", "1"],
    ]


def test_a_busy_machine_is_told_of():
    assert "other work" not in "\n".join(summary_lines([ROW]))
    assert "load averages up to 7.0" in "\n".join(summary_lines([dataclasses.replace(ROW, load=7.0), ROW]))


def test_what_is_faster_has_tables_of_its_own():
    assert [row[0] for row in behind_table(RECORD.rows, RECORD)[1:]] == ["mean u8 7x7"]
    assert inexact_table(RECORD.rows)[1:] == [["correlate f32 3x3", "2", "quick 1", "cancels"]]


def test_the_page_has_all_parts(tmp_path):
    write_page(RECORD, tmp_path / "benchmarks.md", "the command")
    text = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    for heading in (
        "The machine",
        "Where a peer wins",
        "Window size",
        "Threads",
        "Peak memory",
        "The grid, 2048x2048",
        "Other jobs",
    ):
        assert f"## {heading}\n" in text
    for name in ("families", "rows", "side", "extent", "threads"):
        assert f"(pictures/benchmarks/{name}.svg)" in text
        assert (tmp_path / "pictures" / "benchmarks" / f"{name}.svg").is_file()


def test_an_empty_record_makes_a_page():
    assert page_of(Record(), [], "pictures", "the command").startswith("# Benchmarks\n")


def test_plots_are_the_same_bytes_each_time(tmp_path):
    names = write_plots(RECORD, tmp_path / "a")
    assert write_plots(RECORD, tmp_path / "b") == names
    for name in names:
        first, second = ((tmp_path / folder / name).read_bytes() for folder in "ab")
        assert first == second
        assert b" \n" not in first
