"""Plans: which axis becomes which loop, from how arrays lie in memory; what is decided does not depend on the rest.

The arrangement is checked where there is one right answer (the innermost axis is the one with the smallest steps), the
text of `explain` against golden files. That plans compute the right thing is the matter of ``test_execute.py``.
"""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from kernelscape import expression as ex
from kernelscape.loops import X, Y
from kernelscape.plan import stored
from tests.oracle.engine import plan_of, results_for, whole_numbers
from tests.oracle.jobs import WindowWords, binary, largest, make_job, number, rank, total


def plan(array, function=total, words=None, *, order=None, target="x86-64-v3", **options):
    job = make_job(function, [array], words, **options)
    outputs = [g.array for g in results_for(job, order)]
    arguments = [np.ones((3, 3), array.dtype)]
    return plan_of(job, [array], outputs, arguments, target)


def arrangement(array, **options):
    found = plan(array, **options).arrangement
    return found.x, found.y, found.outer, found.flat


def in_memory(shape, order):
    """Give an array whose axes lie in memory in the given order, outermost first."""
    return whole_numbers([shape[a] for a in order]).transpose(np.argsort(order))


# -- arrangement -


def test_the_innermost_axis_is_the_one_with_the_smallest_steps():
    assert arrangement(whole_numbers((30, 40))) == (1, 0, (), None)
    assert arrangement(whole_numbers((40, 30)).T) == (0, 1, (), None)
    assert arrangement(whole_numbers((30, 40))[:, ::-1]) == (1, 0, (), None)
    assert arrangement(whole_numbers((9, 30, 40))) == (2, 1, (0,), None)
    assert arrangement(in_memory((9, 30, 40), (1, 2, 0))) == (0, 2, (1,), None)
    assert arrangement(in_memory((5, 9, 30, 40), (3, 2, 1, 0))) == (0, 1, (2, 3), None)


def test_a_short_innermost_axis_gives_way_to_a_long_one():
    assert arrangement(whole_numbers((200, 3))) == (0, 1, (), None)
    assert arrangement(whole_numbers((40, 3))) == (1, 0, (), None)
    assert arrangement(whole_numbers((1000, 20))) == (1, 0, (), None)


def test_one_dimension_has_no_rows():
    assert arrangement(whole_numbers(100)) == (0, None, (), None)


def test_an_axis_of_one_position_is_never_innermost():
    assert arrangement(whole_numbers((50, 1))) == (0, 1, (), None)
    assert arrangement(whole_numbers((1, 50))) == (1, 0, (), None)


def test_broadcast_axes_are_not_innermost():
    array = np.broadcast_to(whole_numbers((30, 1)), (30, 40))
    assert arrangement(array)[0] == 0


@pytest.mark.parametrize("channels", [2, 3, 4, 64])
def test_interleaved_channels_are_one_axis_with_x(channels):
    array = whole_numbers((30, 40, channels)).transpose(2, 0, 1)
    assert arrangement(array, batch=1, order=(1, 2, 0)) == (2, 1, (), 0)
    assert plan(array, batch=1, order=(1, 2, 0)).stage.flatten == channels


def test_channels_are_not_flattened_where_that_would_leave_the_rows():
    planar = whole_numbers((3, 30, 40))
    assert arrangement(planar, batch=1) == (2, 1, (0,), None)
    array = whole_numbers((30, 40, 3)).transpose(2, 0, 1)
    assert arrangement(array, batch=1, order=(0, 1, 2))[3] is None, "a planar result of an interleaved image"
    assert arrangement(array[:, :, ::2], batch=1, order=(1, 2, 0))[3] is None, "a gap between pixels"
    wide = whole_numbers((30, 40, 65)).transpose(2, 0, 1)
    assert arrangement(wide, batch=1, order=(1, 2, 0))[3] is None, "a spectrum is an axis of its own"


def test_rows_run_along_an_axis_that_windows_reach_over():
    """Batch axes are nearer in memory here, but rows of a tile share sources along a window axis only."""
    array = in_memory((40, 30, 20), (1, 0, 2))
    words = [WindowWords(size=(3, 3))]
    assert arrangement(array, words=words, batch=1)[:2] == (2, 1)
    flat = [WindowWords(size=(1, 3, 1))]
    assert arrangement(whole_numbers((20, 30, 40)), words=flat)[:2] == (2, 1)
    deep = [WindowWords(size=(3, 1, 1))]
    assert arrangement(whole_numbers((20, 30, 40)), words=deep)[:2] == (2, 0)


def test_roles_say_the_same_of_the_window_axes():
    made = plan(in_memory((9, 30, 40), (1, 2, 0)), batch=0)
    assert made.stage.roles == (X, 0, Y)
    made = plan(whole_numbers((9, 30, 40)), words=[WindowWords(size=(3, 3))], batch=1)
    assert made.stage.roles == (Y, X)
    assert made.counts == (9, 30, 40)


# -- register tile and columns -


def weighted(w):
    return total(binary("multiply", w, ex.Argument(w.shape, w.dtype, 0)))


def test_tiles_are_no_larger_than_the_result():
    assert plan(whole_numbers((1, 500)), weighted).stage.rows == 1
    assert plan(whole_numbers((2, 500)), weighted).stage.rows <= 2
    assert plan(whole_numbers((50, 5)), weighted).stage.vectors == 1
    large = plan(whole_numbers((500, 500)), weighted).stage
    assert large.rows > 1
    assert large.vectors > 1


def test_the_target_decides_the_width():
    lanes = [
        plan(whole_numbers((90, 90)), weighted, target=t).stage.lanes for t in ("x86-64", "x86-64-v3", "x86-64-v4")
    ]
    assert lanes == [4, 8, 16]


@pytest.mark.parametrize("mode", ["reflect", "constant", "shrink"])
def test_columns_are_used_along_x_without_stride(mode):
    words = [WindowWords(size=5, mode=mode)]
    array = whole_numbers((60, 70), np.int32)
    assert plan(array, words=words).stage.columns
    assert plan(array, words=words, stride=(2, 1)).stage.columns
    assert not plan(array, words=words, stride=(1, 2)).stage.columns
    assert not plan(array, weighted, [WindowWords(size=3, mode=mode)]).stage.columns
    assert bool(plan(array.astype(float), words=words).stage.columns) == (mode != "shrink")


def test_footprints_and_windows_that_differ_have_no_columns():
    array = whole_numbers((60, 70), np.int32)
    assert not plan(array, words=[WindowWords(footprint=np.eye(5))]).stage.columns
    job = make_job(lambda a, b: (total(a), total(b)), [array, array], [WindowWords(size=5), WindowWords(size=3)])
    assert not plan_of(job, [array, array]).stage.columns
    same = make_job(lambda a, b: (total(a), total(b)), [array, array], [WindowWords(size=5), WindowWords(size=5)])
    assert plan_of(same, [array, array]).stage.columns


def test_masked_code_has_no_columns_and_the_whole_expression():
    made = plan(whole_numbers((60, 70), np.int32), words=[WindowWords(size=5, mode="shrink")])
    masked = made.masked_stage
    assert masked.columns == ()
    assert ex.structure(masked.outputs) == ex.structure(made.job.outputs)
    assert replace(masked, outputs=made.stage.outputs, columns=made.stage.columns,
                   column_taps=made.stage.column_taps).key == made.stage.key  # fmt: skip


# -- odds and ends -


def test_a_sample_that_returns_to_its_dtype_makes_no_detour():
    w = ex.Window((3,), np.dtype(np.uint8), 0)
    most = ex.reduce("maximum", w, (0,))
    assert stored(ex.cast(most, np.dtype(np.float64)), np.dtype(np.uint8)) is most
    narrow = ex.cast(ex.reduce("maximum", ex.Window((3,), ex.INT64, 0), (0,)), np.dtype(np.int8))
    assert stored(narrow, ex.INT64) is narrow, "a narrowing cast is no detour"


def test_half_samples_are_held_in_floats():
    for dtype, held in ((np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64)):
        assert plan(whole_numbers((30, 40), dtype)).stage.inputs[0].dtype == held


def test_plans_are_data():
    made = plan(whole_numbers((30, 40)), words=[WindowWords(size=5, mode="mirror")])
    other = pickle.loads(pickle.dumps(made))
    assert other.stage.key == made.stage.key
    assert other.explain() == made.explain()


def test_a_plan_depends_on_shapes_and_layouts_only():
    keys = {plan(whole_numbers((30, 40), seed=s), words=[WindowWords(size=5)]).stage.key for s in range(3)}
    assert len(keys) == 1


def test_machine_code_does_not_depend_on_extents_and_modes():
    """The same structure compiles once: only the tile may follow from a small extent."""
    keys = {
        plan(whole_numbers(shape), words=[WindowWords(size=5, mode=mode)]).stage.key
        for shape in ((300, 400), (999, 101))
        for mode in ("reflect", "mirror", "nearest", "wrap", "constant")
    }
    assert len(keys) == 1


# -- explain -

EXPLAINED = {
    "sum": lambda: plan(whole_numbers((480, 640)), total, [WindowWords(size=3)]),
    "correlation": lambda: plan(whole_numbers((480, 640)), weighted, [WindowWords(size=3, mode="constant")]),
    "median_of_channels": lambda: plan(
        whole_numbers((480, 640, 3), np.uint8).transpose(2, 0, 1),
        lambda w: rank(w, 4),
        [WindowWords(size=3, mode="wrap")],
        batch=1,
        order=(1, 2, 0),
    ),
    "narrow_arithmetic": lambda: plan(
        whole_numbers((480, 640), np.uint8), lambda w: total(binary("multiply", w, number(3, w))), [WindowWords(size=3)]
    ),
    "footprint_on_a_line": lambda: plan(
        whole_numbers(100_000, ">f8"), largest, [WindowWords(footprint=[1, 0, 1, 1], mode="shrink")], stride=2
    ),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_plan_explains_itself(name, golden):
    golden(f"explain_{name}.txt", EXPLAINED[name]().explain())


def test_the_explanation_names_what_wraps_and_what_is_converted():
    array = whole_numbers((30, 40), np.uint8)
    text = plan(array, lambda w: total(binary("multiply", w, w))).explain()
    assert "note: arithmetic in uint8 wraps around" in text
    job = make_job(total, [array.astype(np.float32)])
    assert "input 0: uint8, loaded as float32" in plan_of(job, [array]).explain()
    assert "wraps around" not in plan_of(job, [array]).explain()
