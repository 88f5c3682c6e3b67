"""The table of operators against NumPy itself: known answers, dtypes, conversions, and the facts that it states.

What NumPy leaves to chance (the sign of a minimum of two zeros, casts of what an integer cannot hold to uint32) is
compared with our own rule instead, and says so at the place.
"""

from __future__ import annotations

import itertools
import math
import platform
from typing import Any

import numpy as np
import pytest

from kernelscape import semantics
from kernelscape.errors import ArgumentTypeError, UnknownNameError
from kernelscape.semantics import DTYPES, OPERATORS, convert, result_dtypes, run_bits, run_fraction, saturate

IS_X86 = platform.machine().lower() in ("x86_64", "amd64")
UFUNCS = [name for name in OPERATORS if isinstance(getattr(np, name, None), np.ufunc)]
INTEGERS = [d for d in DTYPES if d.kind in "iu"]
FLOATS = [d for d in DTYPES if d.kind == "f"]
nan, inf = np.nan, np.inf


def edges(dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        numbers = {
            0,
            1,
            -1,
            2,
            -2,
            3,
            7,
            -7,
            100,
            info.bits - 1,
            info.bits,
            info.min,
            info.min + 1,
            info.max,
            info.max // 2,
        }
        return np.array(sorted(n for n in numbers if info.min <= n <= info.max), dtype)
    numbers = [0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 7.25, 127.5, 255.5, 300.0, 40000.0, 2.0**31, 3e9, 5e9, 1e10]
    numbers += [2.0**32, 2.0**53, 2.0**63, 1e19, 2.0**64, 1e20, 1e30, inf, nan, np.finfo(dtype).tiny]
    with np.errstate(over="ignore"):
        values = np.array(numbers, dtype)
    return np.concatenate([values, -values])


def assert_same(actual: np.ndarray, expected: np.ndarray, what: str = "") -> None:
    """The same dtype, values and signs; one NaN is as good as another."""
    assert actual.dtype == expected.dtype, what
    np.testing.assert_array_equal(actual, expected, err_msg=what)
    if actual.dtype.kind == "f":
        number = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(actual)[number], np.signbit(expected)[number], err_msg=f"sign: {what}")


def test_the_comparison_can_fail() -> None:
    assert_same(np.array([0.0, nan]), np.array([0.0, nan]))
    for wrong in (np.array([-0.0, nan]), np.array([0.0, 1.0]), np.array([0, nan], np.float32)):
        with pytest.raises(AssertionError):
            assert_same(wrong, np.array([0.0, nan]))


# -- known answers -----------------------------------------------------------------------------------------------------

KNOWN = [
    ("floor_divide", "int32", [(7, 0), (-(2**31), -1), (-7, 2), (7, -2)], [0, -(2**31), -4, -4]),
    ("floor_divide", "uint8", [(255, 0), (255, 2)], [0, 127]),
    ("remainder", "int64", [(7, 0), (-(2**63), -1), (-7, 3), (7, -3)], [0, 0, 2, -2]),
    ("fmod", "int16", [(7, 0), (-(2**15), -1), (-7, 3), (7, -3)], [0, 0, -1, 1]),
    ("absolute", "int8", [(-128,), (-127,)], [-128, 127]),
    ("negative", "uint8", [(1,), (0,), (255,)], [255, 0, 1]),
    ("add", "uint8", [(250, 10)], [4]),
    ("subtract", "uint16", [(1, 2)], [65535]),
    ("multiply", "int8", [(100, 3)], [44]),
    ("left_shift", "int32", [(1, 31), (1, 32), (1, 33), (1, -1)], [-(2**31), 0, 0, 0]),
    ("left_shift", "uint8", [(1, 7), (1, 8), (255, 255)], [128, 0, 0]),
    ("right_shift", "int32", [(-8, 1), (-8, 32), (8, 40), (-8, -1), (8, -1)], [-4, -1, 0, -1, 0]),
    ("right_shift", "uint64", [(2**63, 63), (2**63, 64)], [1, 0]),
    ("power", "int32", [(3, 5), (0, 0), (10, 10), (-1, 3)], [243, 1, 1410065408, -1]),
    ("power", "uint8", [(5, 255)], [205]),
    ("reciprocal", "int32", [(0,), (1,), (-1,), (2,)], [-(2**31), 1, -1, 0]),
    ("reciprocal", "int64", [(0,)], [-(2**63)]),
    ("reciprocal", "int16", [(0,)], [0]),
    ("reciprocal", "uint64", [(0,), (1,), (7,)], [0, 1, 0]),
    ("sign", "int8", [(-128,), (0,), (5,)], [-1, 0, 1]),
    ("add", "bool", [(True, True), (True, False)], [True, True]),
    ("multiply", "bool", [(True, True), (True, False)], [True, False]),
    ("less", "bool", [(False, True), (True, False), (True, True)], [True, False, False]),
    ("floor_divide", "float64", [(1, 0), (-1, 0), (0, 0), (1, -0.0)], [inf, -inf, nan, -inf]),
    ("floor_divide", "float64", [(inf, 1), (1, inf), (-1, inf), (1, -inf)], [nan, 0.0, -1.0, -1.0]),
    ("floor_divide", "float32", [(0.0, -3), (-0.0, -3), (5.5, 2), (-5.5, 2)], [-0.0, 0.0, 2, -3]),
    ("remainder", "float64", [(1, 0), (inf, 1), (1, inf), (1, -inf), (-1, inf)], [nan, nan, 1, -inf, inf]),
    ("remainder", "float32", [(4, 2), (4, -2), (-4, 2), (-1, 3), (1, -3)], [0.0, -0.0, 0.0, 2, -2]),
    ("fmod", "float32", [(4, -2), (-4, 2), (-1, 3), (1, inf), (1, 0)], [0.0, -0.0, -1, 1, nan]),
    ("minimum", "float32", [(nan, 1), (1, nan), (2, 1)], [nan, nan, 1]),
    ("fmax", "float64", [(nan, 1), (1, nan), (nan, nan)], [1, 1, nan]),
    ("sign", "float64", [(nan,), (-0.0,), (-inf,)], [nan, 0.0, -1]),
    ("rint", "float32", [(0.5,), (1.5,), (2.5,), (-0.5,), (-0.0,)], [0.0, 2, 2, -0.0, -0.0]),
    ("floor", "float64", [(-0.0,), (-0.5,), (inf,)], [-0.0, -1, inf]),
    ("ceil", "float64", [(-0.5,), (0.5,)], [-0.0, 1]),
    ("trunc", "float32", [(-0.5,), (-1.5,)], [-0.0, -1]),
    ("heaviside", "float64", [(0, 0.5), (-0.0, 0.25), (nan, 1), (-inf, 1), (2, nan)], [0.5, 0.25, nan, 0, 1]),
    ("copysign", "float32", [(1, -0.0), (-nan, 1.0)], [-1, nan]),
    ("logical_and", "float32", [(nan, 1), (0, nan), (-0.0, 1)], [True, False, False]),
    ("logical_not", "float64", [(nan,), (-0.0,)], [False, True]),
    ("isfinite", "float32", [(nan,), (inf,), (1,)], [False, False, True]),
    ("signbit", "float64", [(-0.0,), (0.0,)], [True, False]),
    ("divide", "float32", [(1, 0), (0, 0), (-1, 0)], [inf, nan, -inf]),
]


@pytest.mark.parametrize(("name", "dtype", "operands", "expected"), KNOWN)
def test_known_answers(name: str, dtype: str, operands: list[tuple[float, ...]], expected: list[float]) -> None:
    """The statements of the module's docstring: both the table and NumPy give these."""
    _, result = result_dtypes(name, [np.dtype(dtype)] * OPERATORS[name].arity)
    columns = [np.array(column, dtype) for column in zip(*operands, strict=True)]
    wanted = np.array(expected, result)
    assert_same(OPERATORS[name](*columns), wanted, "the table")
    with np.errstate(all="ignore"):
        assert_same(getattr(np, name)(*columns), wanted, "NumPy")


def test_every_operator_with_its_own_rule_has_a_known_answer() -> None:
    """Whatever names a guard is in the list above, or in a test of its own below."""
    below = {"maximum", "fmin", "square", "equal", "not_equal", "less_equal", "greater", "greater_equal", "cast"}
    guarded = {name for name, operator in OPERATORS.items() if operator.guards}
    assert guarded - below <= {row[0] for row in KNOWN}


def test_signed_and_unsigned_are_compared_by_value() -> None:
    signed = np.array([-1, 2**63 - 1, 2**63 - 1, 5], np.int64)
    unsigned = np.array([2**64 - 1, 2**63, 2**63 - 1, 5], np.uint64)
    (left, right), result = result_dtypes("less", [signed.dtype, unsigned.dtype])
    assert (left, right, result) == (np.dtype(np.int64), np.dtype(np.uint64), np.dtype(bool))
    assert OPERATORS["less"](signed, unsigned).tolist() == [True, True, False, False]
    assert OPERATORS["greater_equal"](signed, unsigned).tolist() == [False, False, True, True]
    assert OPERATORS["equal"](signed, unsigned).tolist() == [False, False, True, True]
    assert OPERATORS["not_equal"](signed, unsigned).tolist() == [True, True, False, False]
    assert OPERATORS["greater"](unsigned, signed).tolist() == [True, True, False, False]
    assert OPERATORS["less_equal"](unsigned, signed).tolist() == [False, False, True, True]


def test_order_of_zeros_is_ours_and_all_else_is_numpys() -> None:
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        a, b = (g.ravel() for g in np.meshgrid(edges(dtype), edges(dtype)))
        zeros = (a == 0) & (b == 0)
        for name in ("minimum", "maximum", "fmin", "fmax"):
            actual, theirs = OPERATORS[name](a, b), getattr(np, name)(a, b)
            assert_same(actual[~zeros], theirs[~zeros], name)
            assert_same(actual, OPERATORS[name](b, a), f"{name} commutes")
            signs = (
                np.signbit(a) | np.signbit(b)
                if name.endswith("min") or name == "minimum"
                else np.signbit(a) & np.signbit(b)
            )
            np.testing.assert_array_equal(np.signbit(actual[zeros]), signs[zeros])


def test_negative_exponents_of_integers_are_ours() -> None:
    bases = np.array([0, 1, -1, -1, 2, -3, -(2**31)], np.int32)
    exponents = np.array([-1, -9, -2, -3, -1, -2, -(2**31)], np.int32)
    assert OPERATORS["power"](bases, exponents).tolist() == [0, 1, 1, -1, 0, 0, 0]
    with pytest.raises(ValueError, match="negative integer powers"):
        np.power(bases, exponents)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_powers_and_reciprocals_of_integers_are_numpys(dtype: np.dtype[Any]) -> None:
    a, b = (g.ravel() for g in np.meshgrid(edges(dtype), edges(dtype)))
    allowed = b >= 0
    assert_same(OPERATORS["power"](a, b)[allowed], np.power(a[allowed], b[allowed]))
    with np.errstate(all="ignore"):
        assert_same(OPERATORS["reciprocal"](edges(dtype)), np.reciprocal(edges(dtype)))


def test_select_and_identities() -> None:
    values = np.array([1, 2, 3], np.int16)
    chosen = OPERATORS["select"](np.array([True, False, True]), values, -values)
    assert_same(chosen, np.array([1, -2, 3], np.int16))
    for name in ("real", "conjugate", "positive"):
        assert_same(OPERATORS[name](values), values)


# -- facts -------------------------------------------------------------------------------------------------------------


def test_guards_and_results_are_words_of_the_vocabulary() -> None:
    used = {guard for operator in OPERATORS.values() for guard in operator.guards}
    assert used == set(semantics.GUARDS)
    assert {operator.result for operator in OPERATORS.values()} == {"same", "bool"}


@pytest.mark.parametrize("name", [name for name, operator in OPERATORS.items() if operator.commutative])
def test_commutative_operators_commute(name: str) -> None:
    for dtype in DTYPES:
        try:
            (left, _), _ = result_dtypes(name, [dtype, dtype])
        except ArgumentTypeError:
            continue
        a, b = np.meshgrid(edges(left), edges(left))
        assert_same(OPERATORS[name](a, b), OPERATORS[name](b, a), str(dtype))


@pytest.mark.parametrize("name", [name for name, operator in OPERATORS.items() if operator.associative])
def test_associative_operators_associate(name: str) -> None:
    for dtype in DTYPES:
        try:
            (left, _), result = result_dtypes(name, [dtype, dtype])
        except ArgumentTypeError:
            continue
        if result != left:
            continue
        operator = OPERATORS[name]
        a, b, c = np.meshgrid(*[edges(left)] * 3)
        assert_same(operator(operator(a, b), c), operator(a, operator(b, c)), str(dtype))


@pytest.mark.parametrize("name", [name for name, operator in OPERATORS.items() if operator.monotone])
def test_monotone_operators_keep_or_turn_the_order(name: str) -> None:
    for dtype in FLOATS:
        values = np.sort(edges(semantics.register_dtype(dtype)))
        results = OPERATORS[name](values)
        results = results[~np.isnan(results)].astype(np.float64)
        results = results[np.isfinite(results)]
        assert np.all(OPERATORS[name].monotone * np.diff(results) >= 0)


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - {"cast"}))
def test_results_are_of_the_kind_that_the_table_says(name: str) -> None:
    operator = OPERATORS[name]
    first = np.dtype(bool) if name == "select" else np.dtype(np.float32)
    if name in ("bitwise_and", "bitwise_or", "bitwise_xor", "invert", "left_shift", "right_shift"):
        first = np.dtype(np.int32)
    operands, result = result_dtypes(name, [first, *[np.dtype(first)] * (operator.arity - 1)])
    assert result == (np.dtype(bool) if operator.result == "bool" else operands[-1])
    assert operator.arity == len(operands)


# -- dtypes ------------------------------------------------------------------------------------------------------------


def numpy_says(name: str, *operands: Any) -> np.dtype[Any] | None:
    """The dtype that NumPy really returns; None where it refuses."""
    try:
        with np.errstate(all="ignore"):
            return np.dtype(getattr(np, name)(*operands).dtype)
    except TypeError:
        return None


def ours(name: str, *operands: Any) -> np.dtype[Any] | None:
    try:
        return result_dtypes(name, operands)[1]
    except ArgumentTypeError:
        return None


@pytest.mark.parametrize("name", UFUNCS)
def test_dtypes_are_those_of_numpys_results(name: str) -> None:
    ones = {dtype: np.ones(1, dtype) for dtype in DTYPES}
    if OPERATORS[name].arity == 1:
        for dtype in DTYPES:
            assert ours(name, dtype) == numpy_says(name, ones[dtype]), dtype
        return
    for a, b in itertools.product(DTYPES, repeat=2):
        assert ours(name, a, b) == numpy_says(name, ones[a], ones[b]), (a, b)
    for dtype, scalar in itertools.product(DTYPES, (1, 1.0, True)):
        assert ours(name, dtype, type(scalar)) == numpy_says(name, ones[dtype], scalar), (dtype, scalar)
        assert ours(name, type(scalar), dtype) == numpy_says(name, scalar, ones[dtype]), (scalar, dtype)


@pytest.mark.parametrize("name", UFUNCS)
def test_operand_dtypes_have_a_loop_of_their_own(name: str) -> None:
    """Casting the operands first, as the emitter does, changes nothing."""
    for pair in itertools.product(DTYPES, repeat=OPERATORS[name].arity):
        if ours(name, *pair) is not None:
            operands, result = result_dtypes(name, pair)
            assert result_dtypes(name, operands) == (operands, result)


def test_select_resolves_as_numpys_where() -> None:
    condition = np.ones(1, bool)
    for a, b in itertools.product(DTYPES, repeat=2):
        expected = np.where(condition, np.ones(1, a), np.ones(1, b)).dtype
        assert result_dtypes("select", [np.dtype(bool), a, b]) == ((np.dtype(bool), expected, expected), expected)
        assert ours("select", np.dtype(bool), a, float) == np.where(condition, np.ones(1, a), 1.0).dtype
        assert ours("select", np.dtype(bool), int, b) == np.where(condition, 1, np.ones(1, b)).dtype
    assert ours("real", np.dtype(np.int8)) == np.int8


@pytest.mark.parametrize("name", ["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"])
def test_comparisons_with_integers_that_do_not_fit_are_numpys(name: str) -> None:
    for dtype in INTEGERS:
        for value in (-(2**70), -1, 0, 127, 128, 300, 2**63, 2**64, 2**70):
            actual = semantics.comparison_outside(name, dtype, value)
            info = np.iinfo(dtype)
            if info.min <= value <= info.max:
                assert actual is None
            else:
                assert actual == getattr(np, name)(np.array([7], dtype), value)[0]
        assert semantics.comparison_outside(name, np.dtype(np.float32), 2**70) is None


def test_byte_order_does_not_matter_and_answers_are_remembered() -> None:
    swapped = np.dtype(">f4") if np.dtype("<f4").isnative else np.dtype("<f4")
    first = result_dtypes("add", [swapped, swapped])
    assert first == ((np.dtype(np.float32),) * 2, np.dtype(np.float32))
    assert all(dtype.isnative for dtype in (*first[0], first[1]))
    assert result_dtypes("add", [swapped, swapped]) is first


def test_refusals_give_numpys_reason() -> None:
    bool_dtype, single = np.dtype(bool), np.dtype(np.float32)
    with pytest.raises(
        ArgumentTypeError, match=r"subtract of bool and bool is refused by NumPy: .*use the bitwise_xor"
    ):
        result_dtypes("subtract", [bool_dtype, bool_dtype])
    with pytest.raises(ArgumentTypeError, match="bitwise_and of float32 and a Python int is refused"):
        result_dtypes("bitwise_and", [single, int])
    with pytest.raises(ArgumentTypeError, match=r"add of complex64 and a Python int computes in complex64;.*astype"):
        result_dtypes("add", [np.dtype(np.complex64), int])
    with pytest.raises(ArgumentTypeError, match="negative takes 1 operands, 2 were given"):
        result_dtypes("negative", [single, single])
    with pytest.raises(UnknownNameError, match="did you mean 'multiply'"):
        result_dtypes("multipy", [single, single])


# -- conversions -------------------------------------------------------------------------------------------------------

PAIRS = list(itertools.product(DTYPES, repeat=2))


def representable(values: np.ndarray, result: np.dtype[Any]) -> np.ndarray:
    """Where a cast to an integer is the same on every machine."""
    if values.dtype.kind != "f" or result.kind not in "iu":
        return np.ones(values.shape, bool)
    info = np.iinfo(result)
    whole = np.trunc(values.astype(np.float64))
    return np.asarray((whole >= float(info.min)) & (whole < 2.0 ** (info.bits - (result.kind == "i"))))


@pytest.mark.parametrize(("source", "result"), PAIRS, ids=str)
def test_casts_are_numpys(source: np.dtype[Any], result: np.dtype[Any]) -> None:
    """Everywhere for values in range; on x86-64 also outside, as the vector body of NumPy's loop gives it."""
    values = edges(source)
    held = values.astype(semantics.register_dtype(source))
    actual = convert(held, source, result)
    assert actual.dtype == semantics.register_dtype(result)
    compared = np.ones(values.shape, bool) if IS_X86 else representable(values, result)
    with np.errstate(all="ignore"):
        expected = np.array([np.full(64, value).astype(result)[0] for value in values])
    assert_same(actual.astype(result)[compared], expected[compared], f"{source} to {result}")


def test_casts_outside_the_range_have_one_value() -> None:
    """The table of the docstring, on every machine."""
    values = np.array([nan, inf, -inf, 2.0**31, 5e9, -5e9, 300.0, -1.0, 2.0**64, 1e19])
    rows = {
        "int8": [0, 0, 0, 0, 0, 0, 44, -1, 0, 0],
        "uint16": [0, 0, 0, 0, 0, 0, 300, 65535, 0, 0],
        "int32": [*[-(2**31)] * 6, 300, -1, -(2**31), -(2**31)],
        "int64": [*[-(2**63)] * 3, 2**31, 5 * 10**9, -5 * 10**9, 300, -1, -(2**63), -(2**63)],
        "uint32": [2**31, 0, 2**31, 2**31, 0, 2**31, 300, 2**32 - 1, 0, 0],
        "uint64": [2**63, 0, 2**63, 2**31, 5 * 10**9, 2**64 - 5 * 10**9, 300, 2**64 - 1, 0, 10**19],
        "bool": [True] * 10,
    }
    for name, expected in rows.items():
        assert convert(values, np.dtype(np.float64), np.dtype(name)).tolist() == expected, name
    half = np.array([nan, inf, -inf, -1.0], np.float32)
    assert convert(half, np.dtype(np.float16), np.dtype(np.uint32)).tolist() == [0, 0, 0, 2**32 - 1]


def test_float16_is_held_as_float32_and_rounded_by_casts_only() -> None:
    half, single, double = (np.dtype(t) for t in (np.float16, np.float32, np.float64))
    third = OPERATORS["divide"](np.array([1], np.float32), np.array([3], np.float32))
    assert third.dtype == single
    assert convert(third, half, half).tolist() == [float(np.float16(1 / 3))]
    assert convert(third, half, half).dtype == single
    just_above = np.array([1 + 2.0**-11 + 2.0**-40])
    assert convert(just_above, double, half).tolist() == [1 + 2.0**-10]  # in two steps it would be 1


def test_stores_round_and_saturate() -> None:
    values = np.array([0.5, 1.5, 2.5, -0.5, 127.5, 128.0, 255.5, 300.0, -1.0, -200.0, inf, -inf, nan])
    double = np.dtype(np.float64)
    assert saturate(values, double, np.dtype(np.uint8)).tolist() == [0, 2, 2, 0, 128, 128, 255, 255, 0, 0, 255, 0, 0]
    assert saturate(values, double, np.dtype(np.int8)).tolist() == [
        *(0, 2, 2, 0, 127, 127, 127, 127, -1, -128, 127, -128, 0)
    ]
    large = np.array([2.0**31, 2.0**32, 2.0**63, 2.0**64, -(2.0**31), -(2.0**63), 1e30, -1e30])
    for dtype in INTEGERS:
        info = np.iinfo(dtype)
        expected = [min(max(int(x), info.min), info.max) for x in large.tolist()]
        for source in (np.dtype(np.float32), double):
            assert saturate(large.astype(source), source, dtype).tolist() == expected, dtype
    for source, result in itertools.product(INTEGERS, repeat=2):
        info = np.iinfo(result)
        expected = [min(max(x, info.min), info.max) for x in edges(source).tolist()]
        assert saturate(edges(source), source, result).tolist() == expected
    assert saturate(np.array([True, False]), np.dtype(bool), np.dtype(np.int16)).tolist() == [1, 0]
    assert saturate(np.array([0.25, nan]), double, np.dtype(bool)).tolist() == [True, True]
    assert saturate(np.array([1e10, 1 / 3]), double, np.dtype(np.float32)).tolist() == [1e10, float(np.float32(1 / 3))]


@pytest.mark.parametrize("most", [1, 2, 3, 49, 961, 16384])
def test_bits_of_runs_fit_and_are_exact(most):
    found, unit = run_bits(most), 2.0 ** run_fraction(most)
    assert len(found) == most + 1
    assert 0 <= min(found) <= max(found) < 2**63
    assert most == 1 or max(found) >= 2**60
    for count in {1, min(2, most), (most + 1) // 2, most}:
        assert found[count] / unit == pytest.approx(count * math.log2(count), rel=1e-15)
    assert list(found) == sorted(found)
