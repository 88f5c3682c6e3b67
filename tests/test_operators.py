"""Compiled operators and conversions against the table in ``semantics.py``.

Compared: every operator that is exact, for every dtype that NumPy has a loop for, and every conversion, bit for bit
(one NaN is as good as another, zeros have signs), for code of three targets with 1, 4 and 16 lanes; all 65,536 pairs
for 8-bit operands, and the product of edge values, then random ones, for the others. Elementary functions are only
checked to arrive at the right one; their accuracy is the matter of ``test_vector_math.py``.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from kernelscape import semantics
from kernelscape.backends import cpu
from kernelscape.backends import operators as compiled
from kernelscape.backends.ir import I64, PTR, Builder, Module, Value, constant
from kernelscape.errors import ArgumentTypeError, NotYetSupportedError
from kernelscape.machine import Target, named_target

TARGETS = ("host", "x86-64", "x86-64-v3")
LANES = (1, 4, 16)
NAMES = sorted(set(semantics.OPERATORS) - {"cast"})


def target_named(name: str) -> Target:
    return cpu.host_target() if name == "host" else named_target(name)


@dataclass(frozen=True)
class Case:
    """One compiled function: what it computes, from which dtypes to which."""

    name: str
    operands: tuple[np.dtype[Any], ...]
    result: np.dtype[Any]
    second: int | None = None

    @property
    def symbol(self) -> str:
        return "_".join(
            [self.name, *(d.name for d in self.operands), "to", self.result.name, str(self.second)]
        ).replace("-", "m")


def emit(module: Module, case: Case, target: Target, lanes: int, operation: Callable[..., Value]) -> None:
    """A function over whole arrays: ``(operands..., result, count)``."""
    arguments = [*((f"p{i}", PTR) for i in range(len(case.operands))), ("out", PTR), ("count", I64)]
    builder = module.function(case.symbol, arguments)
    *sources, out, count = builder.arguments

    def body(index: Value, carried: list[Value]) -> list[Value]:
        values = []
        for source, dtype in zip(sources, case.operands, strict=True):
            address = builder.offset(source, builder.mul(index, constant(I64, dtype.itemsize)))
            raw = builder.load(compiled.memory_type(dtype, lanes), address)
            values.append(compiled.from_memory(builder, target, raw, dtype))
        result = operation(builder, target, case, values)
        assert result.type == compiled.register_type(case.result, lanes)
        address = builder.offset(out, builder.mul(index, constant(I64, case.result.itemsize)))
        builder.store(compiled.to_memory(builder, target, result, case.result), address)
        return []

    builder.loop(constant(I64, 0), count, lanes, [], body)
    builder.finish()


def compile_cases(
    cases: list[Case], target_name: str, lanes: int, operation: Callable[..., Value]
) -> Callable[..., np.ndarray]:
    """Compile one module; returns ``run(case, *arrays)``. A call to a library would be refused when it is loaded."""
    target = target_named(target_name)
    module = Module(cpu.function_attributes(target))
    for case in cases:
        emit(module, case, target, lanes, operation)
    code = cpu.load_object(cpu.compile_text(module.text(), target), tuple(case.symbol for case in cases))

    def run(case: Case, *arrays: np.ndarray) -> np.ndarray:
        count = -(-arrays[0].size // 64) * 64
        padded = [np.ascontiguousarray(np.resize(a, count)) for a in arrays]
        out = np.zeros(count, case.result)
        function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(arrays) + 1), ctypes.c_int64)
        function(code.addresses[case.symbol])(*(a.ctypes.data for a in (*padded, out)), count)
        return out[: arrays[0].size]

    return run


def same_values(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Where two arrays hold the same value: bits, but any NaN for NaN."""
    if actual.dtype.kind != "f":
        return np.asarray(actual == expected)
    bits = f"u{actual.dtype.itemsize}"
    return np.asarray((actual.view(bits) == expected.view(bits)) | (np.isnan(actual) & np.isnan(expected)))


def assert_same_values(actual: np.ndarray, expected: np.ndarray, what: str, *operands: np.ndarray) -> None:
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype} instead of {expected.dtype}"
    wrong = np.flatnonzero(~same_values(actual, expected))
    if wrong.size:
        first = wrong[:5]
        given = [operand[first].tolist() for operand in operands]
        raise AssertionError(
            f"{what}: {wrong.size} of {actual.size} differ; of {given} came {actual[first]}, expected {expected[first]}"
        )


def test_the_comparison_can_fail() -> None:
    zeros = np.array([0.0, np.nan], np.float32)
    assert_same_values(zeros, zeros.copy(), "the same")
    with pytest.raises(AssertionError, match="1 of 2 differ"):
        assert_same_values(np.array([-0.0, np.nan], np.float32), zeros, "sign of zero")
    with pytest.raises(AssertionError, match="float64 instead of float32"):
        assert_same_values(zeros.astype(np.float64), zeros, "dtype")


# -- values ------------------------------------------------------------------------------------------------------------


@lru_cache
def edges(dtype: np.dtype[Any]) -> np.ndarray:
    """All values of 8-bit types; else the ends of every range that a conversion may meet, with their neighbours."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if info.bits == 8:
            return np.arange(info.min, info.max + 1).astype(dtype)
        powers = [1 << b for b in (0, 1, 3, 7, 8, 11, 15, 16, 24, 31, 32, 53, 62, 63)]
        numbers = {s * (p + d) for p in powers for d in (-1, 0, 1) for s in (1, -1)} | {5, -5, 7, 10, 100, 2049, 65520}
        numbers |= {info.min, info.min + 1, info.max, info.max - 1, info.max // 3}
        return np.array(sorted(n for n in numbers if info.min <= n <= info.max), dtype)
    info = np.finfo(dtype)
    numbers = [
        0.0,
        0.25,
        0.3,
        0.5,
        1.0,
        1.5,
        2.0,
        2.5,
        3.0,
        5.5,
        7.0,
        10.0,
        127.5,
        128.5,
        255.5,
        360.0,
        32767.5,
        65504.0,
    ]
    numbers += [65519.0, 65520.0, 2049.0, 1e5, 1e10, 1e20, 2.0**-14, 2.0**-24, 2.0**-25, 1.5 * 2.0**-24]
    numbers += [2.0**b + d for b in (8, 11, 16, 23, 31, 32, 63, 64) for d in (-0.5, 0, 0.5)]
    with np.errstate(all="ignore"):
        exact = np.array([*numbers, np.inf, np.nan, info.max, info.tiny, info.smallest_subnormal], dtype)
        near = np.concatenate([exact, np.nextafter(exact, dtype.type(0)), np.nextafter(exact, dtype.type(np.inf))])
    return np.unique(np.concatenate([near, -near]).view(f"u{dtype.itemsize}")).view(dtype)


@lru_cache
def samples(dtype: np.dtype[Any], count: int) -> np.ndarray:
    """Random values over the whole range and over everyday magnitudes."""
    random = np.random.default_rng(20 + dtype.num)
    bits = random.integers(0, 256, count * dtype.itemsize, dtype=np.uint8)
    if dtype.kind == "b":
        return bits < 128
    anything = bits.view(dtype)
    if dtype.kind == "f":
        return np.where(random.random(count) < 0.5, anything, random.normal(0, 100, count).astype(dtype))
    return np.where(random.random(count) < 0.5, anything, anything % dtype.type(13))


@lru_cache
def operands_of(dtypes: tuple[np.dtype[Any], ...]) -> tuple[np.ndarray, ...]:
    """The product of the edge values of the operands, then random ones."""
    thin = [edges(d) if len(dtypes) < 3 or d.kind == "b" else edges(d)[::5] for d in dtypes]
    grids = np.meshgrid(*thin, indexing="ij")
    pairs = zip(grids, dtypes, strict=True)
    return tuple(np.concatenate([g.ravel(), np.roll(samples(d, 1000), 7 * i)]) for i, (g, d) in enumerate(pairs))


def held(values: np.ndarray) -> np.ndarray:
    """The values as a register holds them."""
    return values.astype(semantics.register_dtype(values.dtype))


def stored(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(dtype)


# -- operators ---------------------------------------------------------------------------------------------------------


def cases_of(names: list[str]) -> list[Case]:
    """One case for each name and each distinct set of operand dtypes that NumPy resolves to."""
    found: dict[Case, None] = {}
    for name in names:
        arity = semantics.OPERATORS[name].arity
        for dtype in semantics.DTYPES:
            first = np.dtype(bool) if name == "select" else dtype
            try:
                dtypes, result = semantics.result_dtypes(name, (first, *[dtype] * (arity - 1)))
            except ArgumentTypeError:
                continue
            found[Case(name, dtypes, result)] = None
    return list(found)


MIXED = [
    Case(name, tuple(map(np.dtype, pair)), np.dtype(bool))
    for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
    for pair in ((np.int64, np.uint64), (np.uint64, np.int64))
]
EVERY_CASE = [*cases_of(NAMES), *MIXED]
OPERATOR_CASES = [c for c in EVERY_CASE if semantics.OPERATORS[c.name].exact or c.result.kind != "f"]
ELEMENTARY_CASES = [c for c in EVERY_CASE if c not in OPERATOR_CASES]
KNOWN_SECOND = [
    Case(case.name, case.operands, case.result, number)
    for case in OPERATOR_CASES
    if case.name in ("floor_divide", "remainder", "fmod", "power", "left_shift", "right_shift")
    and case.operands[0].kind in "iu"
    for number in (0, 1, 2, 3, 7, 8, 100, -1, -3)
    if number >= 0 or case.operands[0].kind == "i"
]


def operation(builder: Builder, target: Target, case: Case, values: list[Value]) -> Value:
    if case.second is not None:
        values = [values[0], constant(values[0].type, case.second)]
    return compiled.apply_operator(builder, target, case.name, values, case.operands, case.result)


@lru_cache
def expected_of(case: Case) -> np.ndarray:
    operands = list(operands_of(case.operands))
    if case.second is not None:
        operands[1] = np.full_like(operands[1], case.second)
    return stored(semantics.OPERATORS[case.name](*map(held, operands)), case.result)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("target", TARGETS)
def test_operators_equal_the_table(target: str, lanes: int) -> None:
    run = compile_cases(OPERATOR_CASES, target, lanes, operation)
    for case in OPERATOR_CASES:
        operands = operands_of(case.operands)
        assert_same_values(run(case, *operands), expected_of(case), case.symbol, *operands)


@pytest.mark.parametrize(("target", "lanes"), [("host", 16), ("x86-64", 4), ("x86-64-v3", 1)])
def test_a_constant_second_operand_gives_the_same(target: str, lanes: int) -> None:
    single = [Case(c.name, c.operands, c.result, c.second) for c in KNOWN_SECOND]
    run = compile_cases(single, target, lanes, operation)
    for case in single:
        operands = operands_of(case.operands)
        assert_same_values(run(case, *operands), expected_of(case), case.symbol, *operands)


def test_every_operator_that_numpy_has_is_compiled() -> None:
    """No name of the table is left out, and 8-bit pairs are complete."""
    assert {case.name for case in (*OPERATOR_CASES, *ELEMENTARY_CASES)} == set(NAMES)
    pairs = [case for case in OPERATOR_CASES if [d.itemsize for d in case.operands] == [1, 1]]
    assert {case.operands[0].name for case in pairs} == {"bool", "int8", "uint8"}
    for case in pairs:
        if case.operands[0].kind != "b":
            first, second = (a[:65536].astype(np.int64) for a in operands_of(case.operands))
            assert np.unique(first * 1000 + second).size == 65536


@pytest.mark.parametrize("target", TARGETS)
def test_elementary_functions_arrive(target: str) -> None:
    cases = [case for case in ELEMENTARY_CASES if case.result.itemsize > 2]
    run = compile_cases(cases, target, 4, operation)
    for case in cases:
        values = np.array([0.125, 0.375, 0.5, 0.75, 1.0, 0.25, 0.9375, 0.0625], case.operands[0])
        if case.name == "arccosh":
            values += 1
        operands = [values, values[::-1].copy()][: len(case.operands)]
        expected = semantics.OPERATORS[case.name](*operands)
        np.testing.assert_allclose(
            run(case, *operands), expected, rtol=8 * np.finfo(case.result).eps, err_msg=case.name
        )


def test_quotient_and_remainder_share_their_work() -> None:
    """A long remainder, and a power, is written once for all that ask for it."""
    double = np.dtype(np.float64)
    builder = Module().function(
        "f", [("a", compiled.register_type(double, 4)), ("b", compiled.register_type(double, 4))]
    )
    for name in ("floor_divide", "remainder", "fmod"):
        compiled.apply_operator(builder, named_target("x86-64-v3"), name, builder.arguments, [double, double], double)
    builder.finish()
    assert builder.module.text().count("@llvm.vector.reduce.or.v4i1(<4 x i1> %") == 1


def test_an_operator_without_machine_code_is_refused() -> None:
    builder = Module().function("f", [("a", compiled.register_type(np.dtype(np.int32), 4))])
    with pytest.raises(NotYetSupportedError, match="'exp' has no machine code for int32"):
        compiled.apply_operator(
            builder, cpu.host_target(), "exp", builder.arguments, [np.dtype(np.int32)], np.dtype(np.int32)
        )


# -- conversions -------------------------------------------------------------------------------------------------------

PAIRS = list(itertools.product(semantics.DTYPES, repeat=2))
CONVERSIONS = [Case(name, (source,), result) for name in ("convert", "saturate") for source, result in PAIRS]


def conversion(builder: Builder, target: Target, case: Case, values: list[Value]) -> Value:
    function = compiled.cast if case.name == "convert" else compiled.convert_saturating
    return function(builder, target, values[0], case.operands[0], case.result)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("target", TARGETS)
def test_conversions_equal_the_table(target: str, lanes: int) -> None:
    run = compile_cases(CONVERSIONS, target, lanes, conversion)
    for case in CONVERSIONS:
        values = operands_of(case.operands)[0]
        expected = getattr(semantics, case.name)(held(values), case.operands[0], case.result)
        assert_same_values(run(case, values), stored(expected, case.result), case.symbol, values)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("target", TARGETS)
def test_float16_goes_through_memory_unchanged_and_rounds_once(target: str, lanes: int) -> None:
    half, single, double = (np.dtype(t) for t in (np.float16, np.float32, np.float64))
    cases = [Case("convert", (half,), half), Case("convert", (half,), single), Case("convert", (double,), half)]
    run = compile_cases(cases, target, lanes, conversion)
    every = np.arange(65536).astype(np.uint16).view(half)
    assert_same_values(run(cases[0], every), every, "all float16", every)
    assert_same_values(run(cases[1], every), every.astype(single), "all float16 to float32", every)
    finite = every[np.isfinite(every)].astype(double)
    finite.sort()
    middles = np.concatenate([(finite[1:] + finite[:-1]) / 2, [65520.0, -65520.0]])
    around = np.concatenate([middles, np.nextafter(middles, -np.inf), np.nextafter(middles, np.inf)])
    assert_same_values(run(cases[2], around), stored(around, half), "halves between float16", around)


def test_orders_of_values_without_nan_are_one_instruction() -> None:
    """What the sorting networks count on: a compare and select is one ``minps`` or ``maxps``."""
    target = named_target("x86-64-v3")
    for function, word in ((compiled.minimum_without_nan, "vminps"), (compiled.maximum_without_nan, "vmaxps")):
        module = Module(cpu.function_attributes(target))
        single = compiled.register_type(np.dtype(np.float32), 8)
        builder = module.function("f", [("a", single), ("b", single)], single.text)
        builder.finish(function(builder, *builder.arguments))
        code = [line.split()[0] for line in cpu.assembly(module.text(), target).splitlines() if line.startswith("\t")]
        assert [word, "retq"] == [c for c in code if not c.startswith(".")]
