"""Selections and samples of drawn calls, against the whole filter: by the engine in both ways, and by the definition.

Compared are dtypes, shapes and every bit. Drawn are the calls of ``cases.py`` (dimensions, dtypes, layouts, functions,
windows, grids, batch axes), masks that are compact or scattered, weights, regions, what stands elsewhere, and points.
"""

import math
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kernelscape as ks
from kernelscape.api import selected as selected_outputs
from kernelscape.api.arguments import canonical_argument
from kernelscape.api.fallback import run_by_definition
from kernelscape.api.points import Points, run_at_points
from kernelscape.api.selection import selection_of
from kernelscape.errors import ArgumentError, KernelscapeError
from tests.conformance.cases import draw
from tests.conformance.check import Prepared, RefusedError, prepare
from tests.conformance.running import bits
from tests.oracle.selection import rounded, selected

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of infinities on the way into float16


def few(count):
    return settings(max_examples=count * settings.default.max_examples // 100)


def drawn_at(random: Random, shape: tuple[int, ...]) -> np.ndarray:
    """Truth values or weights: a box, scattered ones, or both."""
    rng = np.random.default_rng(random.randint(0, 2**20))
    at = rng.random(shape) < random.choice((0, 0.02, 0.1, 0.5, 1))
    if random.random() < 0.5:
        box = tuple(slice(*sorted(random.choices(range(n + 1), k=2))) for n in shape)
        at[box] = True
    if random.random() < 0.6:
        return at
    weights = np.round(rng.random(shape), 2) * at
    return weights.astype(random.choice(("f2", "f4", "f8", ">f4")))


def drawn_otherwise(random: Random, full: np.ndarray) -> Any:
    """A number, or an array that the result can hold."""
    if random.random() < 0.4:
        return random.choice((0, 1)) if full.dtype.kind == "b" else 3 if full.dtype.kind == "u" else -3
    rng = np.random.default_rng(random.randint(0, 2**20))
    made = rng.integers(0, 2, full.shape).astype(bool) if full.dtype.kind == "b" else rng.integers(0, 99, full.shape)
    return made.astype(random.choice((full.dtype, full.dtype.newbyteorder(">"))))


def whole(prepared: Prepared) -> tuple[np.ndarray, ...]:
    output = prepared.output if isinstance(prepared.output, str) else None
    try:
        found = prepared.stencil(*prepared.arguments, output=output)
    except ArgumentError:  # the case has an output of a dtype that can say what is invalid, and this one cannot
        assume(False)
    return found if isinstance(found, tuple) else (found,)


def assert_bits(found: Any, wanted: Any, prepared: Prepared, words: dict[str, Any]) -> None:
    __tracebackhide__ = True
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert bits(found) == bits(wanted), f"\n{prepared.case.script()}\n{words!r}\n{np.argwhere(found != wanted)[:3]}"


def drawn(random: Random) -> Prepared:
    try:
        return prepare(draw(random))
    except RefusedError:
        assume(False)
        raise


def check_selection(random: Random) -> None:
    prepared = drawn(random)
    fulls = whole(prepared)
    shape = prepared.frame.result_shape
    assume(math.prod(shape) > 0)
    at = drawn_at(random, shape)
    if any(f.dtype.kind == "b" for f in fulls):
        at = at != 0
    otherwise = tuple(drawn_otherwise(random, f) for f in fulls)
    wanted = [selected(f, at, o) for f, o in zip(fulls, otherwise, strict=True)]
    selection = selection_of(at, otherwise if len(otherwise) > 1 else otherwise[0])
    arguments = [canonical_argument(a) for a in prepared.arguments]
    output = prepared.output if isinstance(prepared.output, str) else None
    compared = [told(f, at, prepared.stencil.options.invalid, converted=output is not None) for f in fulls]
    for way in ("blocks", "points"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(selected_outputs, "WAY", way)
            found = prepared.stencil.computed(arguments, output, prepared.case.workers, selection=selection)
        results = found if isinstance(found, tuple) else (found,)
        for result, expected, known in zip(results, wanted, compared, strict=True):
            assert result.shape == expected.shape
            assert_bits(result[known], expected[known], prepared, {"at": at.dtype, "way": way})


def told(full: np.ndarray, at: np.ndarray, invalid: float, *, converted: bool) -> np.ndarray:
    """Where the whole filter tells the result: not what was rounded after it was blended, or may be a mark."""
    whole = ((at == 0) | (at == 1)).reshape(at.shape + (1,) * (full.ndim - at.ndim))
    if converted or full.dtype == np.float16:
        return np.broadcast_to(whole, full.shape)
    return whole | (full != rounded(np.array(float(invalid)), full.dtype))  # NaN is no other number, and stays NaN


@few(120)
@given(random=st.randoms(use_true_random=False))
def test_selected_outputs_are_those_of_the_whole_filter(random):
    check_selection(random)


@few(15)
@given(random=st.randoms(use_true_random=False))
def test_the_checked_build_finds_nothing(random):
    with ks.configure(checked=True):
        check_selection(random)


@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3"])
@few(10)
@given(random=st.randoms(use_true_random=False))
def test_code_for_older_processors_selects_too(target, random):
    with ks.configure(target=target):
        check_selection(random)


@few(30)
@given(random=st.randoms(use_true_random=False))
def test_the_definition_selects(random):
    prepared = drawn(random)
    arguments = [canonical_argument(a) for a in prepared.arguments]
    traced = prepared.stencil.prepared_for(arguments)
    assume(math.prod(prepared.frame.result_shape) > 0)
    try:
        fulls = run_by_definition(traced, arguments, None)
    except KernelscapeError:
        assume(False)
    fulls = fulls if isinstance(fulls, tuple) else (fulls,)
    at = drawn_at(random, prepared.frame.result_shape) != 0
    otherwise = tuple(drawn_otherwise(random, f) for f in fulls)
    found = run_by_definition(traced, arguments, None, selection_of(at, otherwise if len(fulls) > 1 else otherwise[0]))
    for result, full, other in zip(found if isinstance(found, tuple) else (found,), fulls, otherwise, strict=True):
        assert_bits(result, selected(full, at, other), prepared, {})


def check_sample(random: Random) -> None:
    prepared = drawn(random)
    options, frame = prepared.stencil.options, prepared.frame
    assume(options.padding == "same" and set(np.ravel(options.stride)) == {1} and options.mode != "valid")
    assume(math.prod(frame.result_shape) > 0)
    fulls = whole(prepared)
    batch = len(frame.batch)
    columns = [a - batch for a in range(batch, batch + len(frame.grid)) if a in frame.order]
    assume(columns)
    rng = np.random.default_rng(random.randint(0, 2**20))
    count = random.choice((0, 1, 5, 40, 400))
    points = np.stack([rng.integers(0, frame.grid[axis].count, count) for axis in columns], 1)
    arguments = [canonical_argument(a) for a in prepared.arguments]
    traced = prepared.stencil.prepared_for(arguments)
    output = prepared.output if isinstance(prepared.output, str) else None
    found = run_at_points(traced, arguments, output, prepared.case.workers, Points(points))
    for result, full in zip(found, fulls, strict=True):
        first = next(n for n, a in enumerate(frame.order) if a >= batch)
        moved = np.moveaxis(full, [frame.order.index(batch + axis) for axis in columns], range(len(columns)))
        wanted = np.moveaxis(moved[tuple(points.T)], 0, sum(a < batch for a in frame.order[:first]))
        assert_bits(result, wanted, prepared, {"points": points.tolist()})


@few(60)
@given(random=st.randoms(use_true_random=False))
def test_samples_are_outputs_of_the_whole_filter(random):
    check_sample(random)


@few(10)
@given(random=st.randoms(use_true_random=False))
def test_samples_of_the_checked_build(random):
    with ks.configure(checked=True):
        check_sample(random)
