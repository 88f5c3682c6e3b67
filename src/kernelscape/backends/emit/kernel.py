"""The kernel function of a stage: for a tile of output rows, the loop over x and the stores.

``void kernel(rows, flags, outputs, arguments, coordinates, limits, error, columns, column_bytes, count)``; the
arguments up to `limits` are addresses of tables of 64-bit words, filled by ``driver.py``:

* ``rows``: one pointer for each source row (``Stage.row_base`` and ``row_number`` say which); ``flags``: as many
  pointers to rows of bytes, 1 where the sample exists (masked code only);
* ``outputs``: for each output plane, one pointer for each row of the tile;
* ``arguments``: (address, first, end) of each run-time number or array;
* ``coordinates``: the anchor along each window axis (for x: of position 0), then the position along x at which rows
  start, and how many of the positions along x and of the tile's rows are outputs;
* ``limits``: (first, end) of the buffer behind each pointer of ``rows`` and then of ``outputs`` (checked builds only);
* ``error``: where a checked build notes the first offending address, and behind it whether an integer output met NaN;
* ``columns``: room for the rows of the stage's column expressions, ``column_bytes`` each;
* ``count``: positions along x, a multiple of the chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import product
from math import isfinite

import numpy as np

from kernelscape import expression as ex
from kernelscape.backends import operators
from kernelscape.backends.cpu import function_attributes
from kernelscape.backends.emit.ahead import ask_at_end
from kernelscape.backends.emit.columns import Columns, column_pointer
from kernelscape.backends.emit.finite import Finites
from kernelscape.backends.emit.folds import Folds
from kernelscape.backends.emit.maps import Maps
from kernelscape.backends.emit.order import Order
from kernelscape.backends.emit.scans import Scans
from kernelscape.backends.emit.selected import Selected, old_bits
from kernelscape.backends.emit.shapes import Shapes
from kernelscape.backends.emit.tiles import ARGUMENTS, write_tiles
from kernelscape.backends.emit.values import Emitter, Frame, Index, Lane, report
from kernelscape.backends.ir import I64, PTR, Bounds, Builder, Module, Type, Value, constant, vector_constant
from kernelscape.backends.operators.masks import any_lane, either
from kernelscape.loops import Stage
from kernelscape.machine import Target
from kernelscape.semantics import register_dtype

MOST_STEPS = 60
"""Nodes one behind the other that are emitted by recursion, each of which takes several of Python's frames."""


def kernel_text(stage: Stage, target: Target, *, masked: bool, checked: bool) -> str:
    """The module of a stage, with one function ``kernel`` that others can call."""
    module = Module(function_attributes(target))
    if stage.positions:
        write_tiles(module, stage, target, masked=masked, checked=checked)
        write_kernel(module, "row", stage.row, target, masked=masked, checked=checked)
    else:
        write_kernel(module, "kernel", stage, target, masked=masked, checked=checked)
    return module.text()


def write_kernel(module: Module, name: str, stage: Stage, target: Target, *, masked: bool, checked: bool) -> None:
    """The function that computes all outputs of a tile of rows."""
    builder = module.function(name, ARGUMENTS, internal=name != "kernel")
    words = {name: value for (name, _), value in zip(ARGUMENTS, builder.arguments, strict=True)}
    count, error = words.pop("count"), words["error"]
    if checked:
        builder.offence = lambda address: report(builder, error, address)

    def emitter_at(x: Value, shown: Stage) -> Emitter:
        emitter = Emitter(module, builder, shown, target, Frame(x=x, **words), masked)
        # In this order: `Order` leaves to `Shapes` what it does not take from sorted samples.
        for rules in (Maps, Columns, Folds, Finites, Shapes, Scans, Order):
            rules(emitter)
        return emitter

    if stage.columns:
        _column_pass(builder, stage, count, emitter_at)

    def body(x: Value, _: list[Value]) -> list[Value]:
        emitter = emitter_at(x, stage)
        _write_outputs(emitter)
        ask_at_end(emitter)
        return []

    builder.loop(constant(I64, 0), count, stage.chunk, [], body, never_empty=True)
    builder.finish()


def _column_pass(builder: Builder, stage: Stage, count: Value, emitter_at: Callable[[Value, Stage], Emitter]) -> None:
    """Fills the rows of the column expressions, for all positions and the reach of their windows along x.

    The last vector is shifted back to end with the row, so that nothing is read behind it.
    """
    shown = replace(stage, outputs=stage.columns, columns=(), vectors=1)
    total = builder.add(count, constant(I64, max(stage.column_taps)))
    last = builder.sub(total, constant(I64, stage.lanes))

    def body(x: Value, _: list[Value]) -> list[Value]:
        emitter = emitter_at(builder.intrinsic("smin", I64, x, last), shown)
        for t in range(stage.rows):
            for number, node in enumerate(stage.columns):
                for place, index in enumerate(product(*map(range, node.shape))):
                    value = emitter.spread(node, index, (t, 0)).value
                    stored = operators.to_memory(builder, emitter.target, value, register_dtype(node.dtype))
                    row = stage.column_rows[number] + place
                    builder.store(stored, column_pointer(emitter, row, t, stored.type.element))
        return []

    builder.loop(constant(I64, 0), total, stage.lanes, [], body, never_empty=True)


def _write_outputs(emitter: Emitter) -> None:
    stage = emitter.stage
    met: list[tuple[Value, Lane]] = []
    chains = _long_chains(stage.outputs)
    for t in range(stage.rows):
        for u in range(stage.vectors):
            for node in chains:
                emitter.element(node, (), (t, u))
            for plane, (number, index) in enumerate(stage.planes()):
                nan = _write(emitter, number, index, plane, (t, u))
                if nan is not None:
                    met.append((nan, (t, u)))
    if met:
        # One branch for the whole tile, since each would cut the code that the machine can overlap.
        any_of_all = reduce(partial(either, emitter.builder), (nan for nan, _ in met))
        emitter.builder.when(any_lane(emitter.builder, any_of_all), lambda: _note_nan(emitter, met))


def _long_chains(outputs: Sequence[ex.Node]) -> list[ex.Node]:
    """Scalars, from what they are made of on, where they follow from each other in more steps than recursion serves."""
    nodes = list(ex.walk(outputs))
    steps: dict[int, int] = {}
    for node in nodes:
        steps[id(node)] = 1 + max((steps[id(child)] for child in node.children), default=0)
    return [n for n in nodes if not n.shape] if max(steps.values(), default=0) > MOST_STEPS else []


def _write(emitter: Emitter, number: int, index: Index, plane: int, lane: Lane) -> Value | None:
    """Stores one vector of an output; returns where it is NaN, if that has to be noted."""
    builder, stage, node = emitter.builder, emitter.stage, emitter.stage.outputs[number]
    found, output = emitter.spread(node, index, lane), stage.output_dtypes[number]
    entry = plane * stage.rows + lane[0]
    selected = old = None
    if stage.at is not None:
        selected = Selected(emitter, stage.at, lane)
        old = old_bits(emitter, output, _output_pointer(emitter, entry, lane, output), _output_bounds(emitter, entry))
    checked, flag = found.value, found.flag
    if selected is not None and old is not None and selected.weight is not None:
        mixed = selected.blended(found.value, node.dtype, old, output)
        value = selected.converted(found.value, node.dtype, mixed, output)
        checked = mixed[0]
    else:
        value = _converted(emitter, found.value, node.dtype, number)
    if emitter.masked and stage.min_count > 0:
        flag = emitter.both(flag, _enough(emitter, lane))
    nan = None
    if node.dtype.kind == "f" and output.kind in "iu":
        flag, nan = _nan_checked(emitter, checked, flag)
    if flag is not None and stage.invalid is not None and holds(stage.invalid, output):
        type_ = operators.register_type(output, stage.lanes)
        value = builder.select(flag, value, constant(type_, _mark(stage.invalid, output)))
    stored = operators.to_memory(builder, emitter.target, value, output)
    if selected is not None and old is not None:
        stored = selected.kept(stored, old)
        nan = None if nan is None else builder.binary("and", nan, selected.wanted)
    builder.store(stored, _output_pointer(emitter, entry, lane, output), _output_bounds(emitter, entry))
    return nan


def _output_pointer(emitter: Emitter, entry: int, lane: Lane, dtype: ex.DType) -> Value:
    """Where one vector of an output plane is stored."""
    builder, frame, lanes = emitter.builder, emitter.frame, emitter.stage.lanes
    type_ = operators.memory_type(dtype, lanes)
    base = builder.hoisted(lambda: builder.load_constant(PTR, builder.offset(frame.outputs, 8 * entry)))
    pointer = builder.element_pointer(base, type_.element, frame.x)
    return builder.offset(pointer, lane[1] * lanes * (type_.bits // 8))


def _nan_checked(emitter: Emitter, value: Value, flag: Value | None) -> tuple[Value | None, Value | None]:
    """NaN in an integer output is invalid where an integer stands for that; elsewhere it is noted, to be an error."""
    builder = emitter.builder
    if isinstance(emitter.stage.invalid, int):
        return emitter.both(flag, builder.fcmp("ord", value, value)), None
    nan = builder.fcmp("uno", value, value)
    return flag, nan if flag is None else builder.binary("and", nan, flag)


def _note_nan(emitter: Emitter, met: Sequence[tuple[Value, Lane]]) -> None:
    """Sets the word behind the error word; lanes and rows that are no outputs may hold anything."""
    builder, stage, frame = emitter.builder, emitter.stage, emitter.frame
    axes = len(stage.roles)
    positions, rows = (builder.load(I64, builder.offset(frame.coordinates, 8 * (axes + n))) for n in (1, 2))
    wide = Type("i64", stage.lanes)
    word = builder.offset(frame.error, 8)
    for nan, (t, u) in met:
        numbers = vector_constant(wide, range(u * stage.lanes, (u + 1) * stage.lanes))
        place = builder.add(emitter.splat(frame.x), numbers)
        inside = builder.binary("and", nan, builder.icmp("slt", place, emitter.splat(positions)))
        is_row = builder.icmp("slt", constant(I64, t), rows)
        seen = builder.binary("and", any_lane(builder, inside), is_row)
        builder.when(seen, lambda: builder.store(constant(I64, 1), word))


def holds(invalid: float | None, dtype: ex.DType) -> bool:
    """Whether a dtype can say that an output is invalid; the friendly layer chose one that can where it must."""
    if invalid is None:
        return False
    return dtype.kind == "f" or (isfinite(invalid) and invalid == int(invalid))


def _mark(invalid: float, dtype: ex.DType) -> float:
    """What stands at an invalid output: saturated, as everything that is stored."""
    if dtype.kind == "f":
        return invalid
    if dtype.kind == "b":
        return int(invalid != 0)
    limits = np.iinfo(dtype)
    return min(max(int(invalid), int(limits.min)), int(limits.max))


def _converted(emitter: Emitter, value: Value, dtype: ex.DType, number: int) -> Value:
    wanted = emitter.stage.output_dtypes[number]
    if wanted == dtype:
        return value
    return operators.convert_saturating(emitter.builder, emitter.target, value, dtype, wanted)


def _output_bounds(emitter: Emitter, entry: int) -> Bounds | None:
    if emitter.builder.offence is None:
        return None
    return emitter.row_bounds(emitter.stage.row_base[-1] + entry)


def _enough(emitter: Emitter, lane: tuple[int, int]) -> Value:
    """Whether the largest window has at least `min_count` valid samples."""
    builder, stage = emitter.builder, emitter.stage
    value = emitter.spread(stage.valid_samples, (), lane).value
    return builder.icmp("sge", value, constant(value.type, stage.min_count))
