"""Stages as data: which rows are read, where they stand in the table of pointers, and what identifies machine code."""

import itertools
import math
from dataclasses import fields, replace

import numpy as np
import pytest

from kernelscape import expression as ex
from kernelscape.loops import (
    LOWEST_OFFSET,
    MISSING,
    OUTSIDE,
    Reading,
    RowInput,
    Stage,
    TileRanks,
    TileRuns,
    TileShape,
    X,
    Y,
    tile_shape,
)

F32 = np.dtype(np.float32)


def row_input(**changes):
    spec = RowInput(F32, (3, 3), ((),), (0, 1, 2), (0, 1, 2), 1, 1, 1, 1, None, ((-1, 0, 1), (-1, 0, 1)), False)
    return replace(spec, **changes)


def stage(**changes):
    window = ex.Window((3, 3), F32, 0)
    made = Stage(
        outputs=(ex.reduce("add", window, (0, 1)), ex.reduce("maximum", window, (0,))),
        output_dtypes=(F32, F32),
        inputs=(row_input(), row_input(shape=(1, 1), y_taps=(0,), x_taps=(0,), offsets=((0,), (0,)))),
        roles=(Y, X),
        strides=(1, 1),
        arguments=((F32, (3,)),),
        flatten=1,
        rows=2,
        vectors=2,
        lanes=8,
        min_count=1,
        invalid=math.nan,
        columns=(ex.reduce("add", ex.Window((3,), F32, 0), (0,)), ex.Window((3,), F32, 0)),
        column_taps=(0, 1, 2),
    )
    return replace(made, **changes)


def test_the_words_for_samples_outside_lie_below_all_offsets():
    assert OUTSIDE < MISSING < LOWEST_OFFSET < -(2**62)
    assert np.int64(OUTSIDE) == OUTSIDE, "the words fit a 64-bit table"


@pytest.mark.parametrize("rows", [1, 2, 4])
@pytest.mark.parametrize("y_stride", [1, 2, 5])
@pytest.mark.parametrize("taps", [(0,), (0, 1, 2), (0, 3, 6)])
def test_a_tile_reads_each_source_row_once(rows, y_stride, taps):
    spec = row_input(y_taps=taps, y_step=y_stride)
    offsets = spec.y_offsets(rows)
    assert list(offsets) == sorted(set(offsets))
    assert set(offsets) == {t * y_stride + tap for t, tap in itertools.product(range(rows), taps)}


@pytest.mark.parametrize(
    ("taps", "y_step", "shift"),
    [
        ((0, 1, 2), 1, 1),
        ((0, 1, 2), 2, 2),
        ((0, 1, 2), 3, None),
        ((0, 2, 4), 2, 1),
        ((0, 2, 4), 1, None),
        ((0,), 1, None),
    ],
)
def test_rows_of_a_tile_share_taps_that_lie_in_the_same_source_row(taps, y_step, shift):
    spec = row_input(y_taps=taps, y_step=y_step)
    assert spec.row_shift == shift
    first, second = ({t * y_step + tap: i for i, tap in enumerate(taps)} for t in range(2))
    assert {first[row] - second[row] for row in first.keys() & second.keys()} == ({shift} if shift else set())


@pytest.mark.parametrize("phases", [1, 2, 3])
@pytest.mark.parametrize("unit", [1, 3])
def test_taps_along_x_are_found_in_the_rows_of_their_phases(phases, unit):
    """Sample ``stride * j + tap`` of the source is element ``j * unit + offset`` of row `phase`."""
    taps = (0, 1, 4, 7)
    spec = row_input(x_taps=taps, phases=phases, x_unit=unit)
    for tap in taps:
        phase, offset = spec.x_place(tap)
        assert 0 <= phase < phases
        for j in range(4):
            sample, colour = divmod(j * unit + offset, unit)
            assert (sample * phases + phase, colour) == (j * phases + tap, 0)
    assert spec.span == max(spec.x_place(t)[1] for t in taps)


def test_an_input_without_taps_along_x_reaches_over_nothing():
    assert row_input(x_taps=()).span == 0


def test_every_row_has_its_own_place_in_the_table():
    made = stage(
        inputs=(row_input(outer=((0,), (1,)), phases=2), row_input(y_taps=(0, 5), y_step=2), row_input(y_taps=(0,)))
    )
    places = [
        made.row_number(number, combination, offset, phase)
        for number, spec in enumerate(made.inputs)
        for combination in range(len(spec.outer))
        for offset in spec.y_offsets(made.rows)
        for phase in range(spec.phases)
    ]
    assert places == list(range(made.row_base[-1]))
    assert made.row_base[0] == 0


def test_planes_are_the_elements_of_the_outputs_in_c_order():
    made = stage()
    assert list(made.planes()) == [(0, ()), (1, (0,)), (1, (1,)), (1, (2,))]
    assert made.plane_count == 4
    assert made.chunk == 16


def test_column_rows_are_as_many_as_the_elements_of_the_column_expressions():
    assert stage().column_rows == (0, 1, 4)
    assert stage(columns=()).column_rows == (0,)


def test_stages_that_look_alike_share_their_code():
    assert stage().key == stage().key
    assert hash(stage().key) == hash(stage().key)


CHANGED = {
    "outputs": (ex.reduce("minimum", ex.Window((3, 3), F32, 0), (0, 1)),),
    "output_dtypes": (F32, np.dtype(np.int16)),
    "inputs": (row_input(),),
    "roles": (X, Y),
    "strides": (1, 2),
    "arguments": ((F32, (4,)),),
    "flatten": 3,
    "rows": 1,
    "vectors": 1,
    "lanes": 16,
    "min_count": 2,
    "invalid": 0.0,
    "columns": (ex.Window((3,), F32, 0),),
    "column_taps": (0, 1, 3),
    "at": 1,
    "spacing": 2,
    "tile_ranks": (TileRanks(0, (4,), F32),),
    "positions": 64,
}
CHANGED_RANKS = {
    "input": 1, "ranks": (4, 5), "dtype": np.dtype(np.float64), "per_level": 64, "meets_nan": True,
}  # fmt: skip
CHANGED_RUNS = {"input": 1, "measure": "number", "dtype": np.dtype(np.uint8)}
CHANGED_INPUT = {
    "dtype": np.dtype(np.float64), "shape": (3, 4), "outer": ((0,),), "y_taps": (0, 1, 3), "x_taps": (0, 1, 3),
    "y_stride": 2, "y_step": 2, "phases": 2, "x_unit": 3, "taps": ((0, 0),),
    "offsets": ((0, 1, 2), (-1, 0, 1)), "may_miss": True, "elements": (2, 3), "is_packed": True, "is_uniform": True,
    "masks": (1,), "omits_nan": True, "body": ex.Window((1, 1), F32, 0),
    "ahead_bytes": 8, "readings": (Reading(0),), "reach": 1, "lanes": 8,
}  # fmt: skip


def test_every_field_is_part_of_the_key():
    assert set(CHANGED) == {f.name for f in fields(Stage)}
    assert set(CHANGED_INPUT) == {f.name for f in fields(RowInput)}
    assert set(CHANGED_RANKS) == {f.name for f in fields(TileRanks)}
    assert set(CHANGED_RUNS) == {f.name for f in fields(TileRuns)}
    changed = [stage(**{name: value}) for name, value in CHANGED.items()]
    changed += [stage(inputs=(row_input(**{n: v}), stage().inputs[1])) for n, v in CHANGED_INPUT.items()]
    ranks = TileRanks(0, (4,), F32)
    changed += [stage(tile_ranks=(replace(ranks, **{n: v}),)) for n, v in CHANGED_RANKS.items()]
    runs = TileRuns(0, "bits", np.dtype(np.int64))
    changed += [stage(tile_ranks=(r,)) for r in (runs, *(replace(runs, **{n: v}) for n, v in CHANGED_RUNS.items()))]
    assert len({stage().key, *(s.key for s in changed)}) == 1 + len(changed)


def test_invalid_numbers_that_print_apart_are_apart():
    numbers = [math.nan, 0, 0.0, -0.0, -1, math.inf]
    assert len({stage(invalid=n).key for n in numbers}) == len(numbers)


# -- tiles in which ranks are found ------------------------------------------------------------------------------------


def test_rank_rows_come_behind_the_columns():
    found = stage(tile_ranks=(TileRanks(0, (4, 5), F32), TileRanks(1, (0,), F32, 64, True)))
    assert found.column_rows == (0, 1, 4, 6, 8)
    assert stage(rows=3, positions=64).column_lines == 1
    assert stage(rows=3).column_lines == 3


def test_column_rows_hold_the_largest_elements():
    assert stage().column_itemsize == 4
    assert stage(columns=(), tile_ranks=(TileRanks(0, (1,), np.dtype(np.float64)),)).column_itemsize == 8
    assert stage(columns=()).column_itemsize == 0


def test_the_stage_of_one_row_has_the_rows_of_one_window():
    one = stage(rows=8, spacing=1, tile_ranks=(TileRanks(0, (4,), F32),)).row
    assert one.rows == 1
    assert one.y_offsets[0] == (0, 1, 2)
    assert one.column_rows == stage(tile_ranks=(TileRanks(0, (4,), F32),)).column_rows


def test_lines_of_a_tile_are_its_rows_and_for_each_all_outer_taps():
    shape = tile_shape(row_input(outer=((0,), (1,)), y_step=2, y_stride=2, x_unit=3), 10, 30)
    assert shape == TileShape(taps=3, step=3, lines=6, moved=4, each=2, rows=10, positions=30)
    assert shape.all_lines == 9 * 4 + 6
    assert (shape.span, shape.per_class, shape.columns) == (6, 12, 36)


def test_a_line_has_room_for_as_many_in_each_class_as_the_longest_has():
    shape = tile_shape(row_input(x_taps=(0, 4, 8)), 1, 9)
    assert (shape.step, shape.per_class, shape.columns) == (4, 5, 20)


@pytest.mark.parametrize(
    "changes",
    [
        {"y_taps": (0, 2, 4)},
        {"x_taps": (0, 1, 3)},
        {"phases": 2},
        {"elements": (3, 3)},
        {"taps": ((0, 0), (1, 1))},
        {"masks": (1,)},
        {"omits_nan": True},
        {"is_uniform": True},
        {"body": ex.Window((1, 1), F32, 0)},
    ],
)
def test_windows_whose_samples_are_no_regular_lines_have_no_shape(changes):
    assert tile_shape(row_input(**changes), 4, 16) is None
