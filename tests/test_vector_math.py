"""The elementary functions of the backend against NumPy and mpmath.

Compared, for each function x element x target (the host, and x86-64 with and without FMA and rounding): errors in units
in the last place over samples of all exponents and signs and over the range where the function lives; special values,
with the sign of zero; hard arguments of the circular functions; the bits for any number of lanes; and that the code
calls nothing. NaN payloads are not compared.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Callable
from functools import cache

import mpmath
import numpy as np
import pytest

from kernelscape.backends import cpu, ir, vector_math
from kernelscape.backends.vector_math import ERROR_ULP, FUNCTIONS
from kernelscape.backends.vector_math.coefficients import POLYNOMIALS
from kernelscape.backends.vector_math.reduction import two_over_pi
from kernelscape.machine import X86_64, X86_64_V3, Target

TARGETS = {"host": cpu.host_target(), "x86-64": X86_64, "x86-64-v3": X86_64_V3}
DTYPES = {"float": np.float32, "double": np.float64}
BINARY = ("power", "hypot", "arctan2", "fused")
ROUNDINGS = {
    "floor": (vector_math.floor, np.floor),
    "ceil": (vector_math.ceil, np.ceil),
    "trunc": (vector_math.trunc, np.trunc),
    "round_even": (vector_math.round_even, np.rint),
}


def sum_of_circular(builder: ir.Builder, target: Target, x: ir.Value) -> ir.Value:
    """Two functions with a branch and a table, one of them twice, in one piece of code."""
    first = FUNCTIONS["sin"](builder, target, x)
    total = builder.fadd(first, FUNCTIONS["cos"](builder, target, x))
    assert FUNCTIONS["sin"](builder, target, x) == first
    return total


EMITTERS: dict[str, Callable[..., ir.Value]] = {
    **FUNCTIONS,
    **{name: emit for name, (emit, _) in ROUNDINGS.items()},
    "fused": lambda builder, target, a, b: vector_math.fused(builder, target, a, b, a),
    "sum_of_circular": sum_of_circular,
}

# Where a result is neither saturated nor trivial, beside [-2, 2].
RANGES = {
    "exp": {"float": (-104, 89), "double": (-746, 710)},
    "exp2": {"float": (-150, 128), "double": (-1075, 1024)},
    "expm1": {"float": (-18, 89), "double": (-40, 710)},
    "sinh": {"float": (-90, 90), "double": (-711, 711)},
    "cosh": {"float": (-90, 90), "double": (-711, 711)},
    "tanh": {"float": (-10, 10), "double": (-20, 20)},
}


def module_text(name: str, element: str, lanes: int, target: Target) -> str:
    """``void f(ptr a, ptr b, ptr out, i64 n)`` over vectors of `lanes`."""
    module = ir.Module(cpu.function_attributes(target))
    builder = module.function("f", [("a", ir.PTR), ("b", ir.PTR), ("out", ir.PTR), ("n", ir.I64)])
    a, b, out, count = builder.arguments
    vector = ir.Type(element, lanes)

    def body(index: ir.Value, carried: list[ir.Value]) -> list[ir.Value]:
        offset = builder.mul(index, ir.constant(ir.I64, ir.ELEMENT_BYTES[element]))
        inputs = (a, b) if name in BINARY else (a,)
        values = [builder.load(vector, builder.offset(pointer, offset)) for pointer in inputs]
        builder.store(EMITTERS[name](builder, target, *values), builder.offset(out, offset))
        return carried

    builder.loop(ir.constant(ir.I64, 0), count, lanes, [], body)
    builder.finish()
    return module.text()


@cache
def loaded(name: str, element: str, lanes: int, target: str) -> cpu.LoadedCode:
    text = module_text(name, element, lanes, TARGETS[target])
    return cpu.load_object(cpu.compile_text(text, TARGETS[target]), ("f",))


def run(name: str, lanes: int, target: str, *arguments: np.ndarray) -> np.ndarray:
    element = "float" if arguments[0].dtype == np.float32 else "double"
    count = len(arguments[0])
    padded = -(-count // lanes) * lanes
    inputs = [np.concatenate([a, np.ones(padded - count, a.dtype)]) for a in arguments]
    out = np.empty(padded, inputs[0].dtype)
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    function = prototype(loaded(name, element, lanes, target).addresses["f"])
    function(inputs[0].ctypes.data, inputs[-1].ctypes.data, out.ctypes.data, padded)
    return out[:count]


def in_longdouble(name: str, *arguments: np.ndarray) -> np.ndarray:
    """The result in a wider type: float64 is wide enough for float32."""
    wide = np.float64 if arguments[0].dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        return np.asarray(getattr(np, name)(*(a.astype(wide) for a in arguments)))


def errors_in_ulp(result: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distance in units in the last place of `exact`; infinite where one of the two is not finite and they differ."""
    dtype = result.dtype
    digits, lowest = (24, -149) if dtype == np.float32 else (53, -1074)
    with np.errstate(all="ignore"):
        rounded = exact.astype(dtype)
        unit = np.ldexp(np.longdouble(1), np.maximum(np.frexp(exact)[1] - digits, lowest))
        errors = np.abs(result.astype(np.longdouble) - exact) / unit
    same = (result == rounded) | (np.isnan(result) & np.isnan(rounded))
    finite = np.isfinite(result) & np.isfinite(rounded)
    return np.where(finite, errors, np.where(same, 0.0, np.inf)).astype(np.float64)


def assert_within(result: np.ndarray, exact: np.ndarray, bound: float, *arguments: np.ndarray) -> None:
    errors = errors_in_ulp(result, exact)
    worst = int(np.argmax(errors))
    given = ", ".join(repr(a[worst]) for a in arguments)
    assert errors[worst] <= bound, f"{errors[worst]:.3f} ulp at ({given}): {result[worst]!r}, exact {exact[worst]!r}"


def assert_same_bits(result: np.ndarray, expected: np.ndarray, *arguments: np.ndarray) -> None:
    """Equal with the sign of zero; NaN equals NaN."""
    same = (result == expected) & (np.signbit(result) == np.signbit(expected)) | (np.isnan(result) & np.isnan(expected))
    bad = np.flatnonzero(~same)
    shown = [(*(a[i] for a in arguments), result[i], expected[i]) for i in bad[:8]]
    assert not bad.size, f"{bad.size} differ, first (arguments, result, expected): {shown}"


@cache
def sample(name: str, element: str) -> tuple[np.ndarray, ...]:
    """All exponents and signs by their bits, the range of the function, small arguments, the neighbourhood of 1."""
    generator = np.random.default_rng(2024)
    dtype = DTYPES[element]
    count = 1 << 16 if element == "float" else 1 << 13
    integer = np.uint32 if element == "float" else np.uint64
    step = (1 << (8 * integer(0).itemsize)) // count
    grid = np.arange(count, dtype=integer) * integer(step)
    bits = (grid + generator.integers(0, step, count, dtype=integer)).view(dtype)
    low, high = RANGES.get(name, {}).get(element, (-2, 2))
    inside = generator.uniform(low, high, count).astype(dtype)
    small = (np.exp2(generator.uniform(-30, 12, count)) * generator.choice([-1, 1], count)).astype(dtype)
    near_one = (1 + generator.uniform(-1, 1, count) * np.exp2(generator.uniform(-24, 1, count))).astype(dtype)
    x = np.concatenate([bits, inside, small, near_one])
    if name not in BINARY:
        return (x,)
    y = generator.permutation(x)
    if name == "power":  # half of the exponents so that the result stands anywhere between underflow and overflow
        half = len(x) // 2
        x[:half] = np.abs(x[:half])
        with np.errstate(all="ignore"):
            limit = (150 if element == "float" else 1075) / np.log2(x[:half].astype(np.longdouble))
            y[:half] = (generator.uniform(-1, 1, half) * limit).astype(dtype)
    return x, y


@cache
def exact_sample(name: str, element: str) -> np.ndarray:
    return in_longdouble(name, *sample(name, element))


CASES = [(name, element) for name in FUNCTIONS for element in DTYPES]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "element"), CASES)
def test_error_is_within_the_stated_bound(name: str, element: str, target: str) -> None:
    arguments = sample(name, element)
    result = run(name, 16, target, *arguments)
    assert_within(result, exact_sample(name, element), ERROR_ULP[name][element], *arguments)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "element"), CASES)
def test_bits_do_not_depend_on_the_number_of_lanes(name: str, element: str, target: str) -> None:
    chosen = np.random.default_rng(5).integers(0, len(sample(name, element)[0]), 1500)
    arguments = [a[chosen] for a in sample(name, element)]
    expected = run(name, 16, target, *arguments)
    for lanes in (1, 4):
        assert_same_bits(run(name, lanes, target, *arguments), expected, *arguments)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("lanes", [2, 3, 8, 64])
@pytest.mark.parametrize("name", ["exp", "sin", "power"])
def test_bits_are_the_same_for_unusual_numbers_of_lanes(name: str, lanes: int, target: str) -> None:
    for element in DTYPES:
        arguments = [a[::397] for a in sample(name, element)]
        assert_same_bits(run(name, lanes, target, *arguments), run(name, 16, target, *arguments), *arguments)


@pytest.mark.parametrize("target", TARGETS)
def test_functions_with_a_branch_share_one_piece_of_code(target: str) -> None:
    for element, lanes in itertools.product(DTYPES, (1, 16)):
        x = np.concatenate([hard_angles(DTYPES[element]), sample("sin", element)[0][::97]])
        with np.errstate(all="ignore"):
            expected = run("sin", 16, target, x) + run("cos", 16, target, x)
        assert_same_bits(run("sum_of_circular", lanes, target, x), expected, x)


@pytest.mark.parametrize("target", TARGETS)
def test_fused_is_rounded_once_where_the_target_can(target: str) -> None:
    a, b = (1 + np.random.default_rng(3).uniform(0, 1, (2, 999))).astype(np.float32)
    wide = a.astype(np.float64) * b  # exact, and the sum needs fewer than 53 bits
    once, twice = (wide + a).astype(np.float32), a * b + a
    assert np.any(once != twice)
    assert_same_bits(run("fused", 16, target, a, b), once if TARGETS[target].fma else twice, a, b)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", EMITTERS)
def test_code_calls_nothing(name: str, target: str) -> None:
    for element, lanes in (("float", 1), ("float", 16), ("double", 1), ("double", 16)):
        lines = cpu.assembly(module_text(name, element, lanes, TARGETS[target]), TARGETS[target]).splitlines()
        assert [line for line in lines if "call" in line or "@PLT" in line] == []


def special_values(element: str) -> np.ndarray:
    info = np.finfo(DTYPES[element])
    positive = [0.0, info.smallest_subnormal, info.tiny, info.eps, 0.5, 1 - info.epsneg, 1, 1 + info.eps, 1.5, 2, 3, 10]
    positive += [2.0**24 - 1, 2.0**24 + 2, 2.0**53 - 1, 2.0**54, info.max / 2, info.max, np.inf]
    positive += [float(info.tiny) * (1 - float(info.eps)), 1000.0, 1e30, np.nan]
    return np.array([sign * float(v) for v in positive for sign in (1, -1)]).astype(DTYPES[element])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "element"), CASES)
def test_special_values(name: str, element: str, target: str) -> None:
    values = special_values(element)
    pairs = np.array(list(itertools.product(values, values)), values.dtype)
    arguments = (pairs[:, 0].copy(), pairs[:, 1].copy()) if name in BINARY else (values,)
    exact = in_longdouble(name, *arguments)
    with np.errstate(all="ignore"):
        expected = exact.astype(values.dtype)
    for lanes in (1, 16):
        result = run(name, lanes, target, *arguments)
        assert_within(result, exact, ERROR_ULP[name][element], *arguments)
        plain = np.isnan(expected) | np.isinf(expected) | (expected == 0)
        assert_same_bits(result[plain], expected[plain], *(a[plain] for a in arguments))
        assert_same_bits(np.sign(result), np.sign(expected), *arguments)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("element", DTYPES)
def test_known_values(element: str, target: str) -> None:
    """What a reader can check without another library."""
    inf, nan = math.inf, math.nan
    table: list[tuple[str, tuple[float, ...], float]] = [
        ("exp", (0.0,), 1.0), ("exp", (-inf,), 0.0), ("exp", (inf,), inf), ("exp2", (-3.0,), 0.125),
        ("expm1", (-0.0,), -0.0), ("expm1", (-inf,), -1.0), ("log", (1.0,), 0.0), ("log", (-0.0,), -inf),
        ("log", (-1.0,), nan), ("log2", (2.0**-20,), -20.0), ("log10", (1000.0,), 3.0), ("log1p", (-1.0,), -inf),
        ("log1p", (-2.0,), nan), ("log1p", (-0.0,), -0.0), ("cbrt", (-8.0,), -2.0), ("cbrt", (2.0**-120,), 2.0**-40),
        ("hypot", (-inf, nan), inf), ("hypot", (nan, inf), inf), ("hypot", (3.0, -4.0), 5.0), ("sinh", (-0.0,), -0.0),
        ("tanh", (-40.0,), -1.0), ("tanh", (inf,), 1.0), ("sin", (-0.0,), -0.0), ("sin", (inf,), nan),
        ("cos", (0.0,), 1.0), ("tan", (-inf,), nan), ("arccos", (1.0,), 0.0), ("arccos", (1.5,), nan),
        ("arcsin", (-0.0,), -0.0), ("arctan", (-0.0,), -0.0), ("arctan2", (0.0, 1.0), 0.0),
        ("arctan2", (-0.0, 1.0), -0.0), ("arctan2", (0.0, 0.0), 0.0), ("arccosh", (1.0,), 0.0),
        ("arctan2", (3.0, -0.0), math.pi / 2), ("arctan2", (3.0, 0.0), math.pi / 2),
        ("arctan2", (-3.0, -0.0), -math.pi / 2), ("arctan2", (0.0, -3.0), math.pi),
        ("arccosh", (0.5,), nan), ("arctanh", (1.0,), inf), ("arctanh", (-1.0,), -inf), ("arcsinh", (-0.0,), -0.0),
        ("power", (nan, 0.0), 1.0), ("power", (1.0, nan), 1.0), ("power", (-1.0, inf), 1.0),
        ("power", (-1.0, -inf), 1.0), ("power", (-0.0, -3.0), -inf), ("power", (-0.0, -2.0), inf),
        ("power", (-0.0, 3.0), -0.0), ("power", (-0.0, 0.5), 0.0), ("power", (-inf, 3.0), -inf),
        ("power", (-inf, 0.5), inf), ("power", (-inf, -3.0), -0.0), ("power", (-8.0, 1 / 3), nan),
        ("power", (-2.0, 3.0), -8.0), ("power", (0.5, inf), 0.0), ("power", (0.5, -inf), inf),
        ("sqrt", (-0.0,), -0.0), ("sqrt", (-1.0,), nan),
    ]  # fmt: skip
    for name, values, expected in table:
        arguments = [np.array([v] * 3, DTYPES[element]) for v in values]
        assert_same_bits(run(name, 16, target, *arguments), np.array([expected] * 3, DTYPES[element]), *arguments)


def circular_exactly(name: str, x: np.ndarray) -> np.ndarray:
    """By mpmath, whose precision follows the size of the argument."""
    with mpmath.workprec(1300):
        function = {"sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan}[name]
        values = [function(mpmath.mpf(float(v))) for v in x]
        highs = [float(v) for v in values]
        lows = [float(v - mpmath.mpf(h)) for v, h in zip(values, highs, strict=True)]
    return np.array(highs, np.longdouble) + np.array(lows, np.longdouble)


def hard_angles(dtype: type[np.floating]) -> np.ndarray:
    """Neighbours of multiples of π/2 of every size, numbers of every size, and the worst double known."""
    generator = np.random.default_rng(11)
    largest = 127 if dtype == np.float32 else 1023
    with mpmath.workprec(1300):
        sizes = np.concatenate([np.exp2(generator.uniform(0, largest, 120)), np.arange(1, 40)])
        multiples = [float(mpmath.floor(mpmath.mpf(s)) * mpmath.pi / 2) for s in sizes if s < 2.0**largest / 2]
    rounded = np.array(multiples).astype(dtype)
    random = np.exp2(generator.uniform(5, largest, 120)).astype(dtype)
    limits = np.array([1500.0, 1500.1, 2.0**19, 2.0**19 + 0.1, np.finfo(dtype).max]).astype(dtype)
    worst = np.array([16367173 * 2.0**72, 6381956970095103 * 2.0**797 if dtype == np.float64 else 1.0]).astype(dtype)
    x = np.concatenate([rounded, np.nextafter(rounded, dtype(0)), random, limits, worst])
    return np.concatenate([x, -x])


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
@pytest.mark.parametrize("element", DTYPES)
def test_circular_functions_of_hard_and_huge_arguments(name: str, element: str) -> None:
    x = hard_angles(DTYPES[element])
    exact = circular_exactly(name, x)
    for target, lanes in itertools.product(TARGETS, (1, 16)):
        assert_within(run(name, lanes, target, x), exact, ERROR_ULP[name][element], x)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_lanes_beside_a_huge_one_keep_their_bits(name: str) -> None:
    x = np.linspace(-3, 3, 64)
    mixed = x.copy()
    mixed[::5] = [1e300, np.inf, np.nan, -1e22, 0.5, 1e6, -np.inf, 1e100, 3e5, -1e9, 1e15, 2.0**1000, 7.0]
    kept = np.ones(64, bool)
    kept[::5] = False
    result = run(name, 16, "host", mixed)
    assert_same_bits(result[kept], run(name, 16, "host", x)[kept], x[kept])
    assert_within(result, in_longdouble(name, mixed), ERROR_ULP[name]["double"], mixed)


def test_two_over_pi_is_right_to_the_last_bit() -> None:
    words = two_over_pi()
    with mpmath.workprec(3000):
        expected = int(mpmath.floor(mpmath.ldexp(2 / mpmath.pi, 64 * (len(words) - 1))))
    assert sum(word << (64 * (len(words) - 1 - i)) for i, word in enumerate(words)) == expected


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("element", DTYPES)
@pytest.mark.parametrize("name", ROUNDINGS)
def test_rounding(name: str, element: str, target: str) -> None:
    bits = sample("sin", element)[0][:20000]
    halves = (np.arange(-4000, 4000) / 8).astype(DTYPES[element])
    big = 2.0 ** (23 if element == "float" else 52)
    edges = np.array([big - 0.5, big, big + 1, big / 2 + 0.5, 0.49999997, 0.5]).astype(DTYPES[element])
    below_half = np.nextafter(DTYPES[element](0.5), DTYPES[element](0))
    x = np.concatenate([bits, halves, edges, -edges, [below_half, -below_half], special_values(element)])
    with np.errstate(all="ignore"):
        expected = ROUNDINGS[name][1](x)
    for lanes in (1, 16):
        assert_same_bits(run(name, lanes, target, x), expected, x)


# What each polynomial stands for: the function of r (with its square where it is a polynomial in r²), how large r gets,
# what the value of the polynomial is made into, and what the error is measured against.
FORMULAS: dict[str, tuple[Callable, float, Callable, Callable]] = {
    "exp": (mpmath.exp, 0.34657, lambda r, p: 1 + r + r**2 * p(r), mpmath.exp),
    "expm1": (mpmath.expm1, 0.34657, lambda r, p: r + r**2 * p(r), lambda r: r),
    "exp2": (lambda r: 2**r, 0.5, lambda r, p: 1 + r * p(r), lambda r: 2**r),
    "sinh": (mpmath.sinh, 0.34657, lambda r, p: r + r**3 * p(r**2), lambda r: r),
    "cosh": (mpmath.cosh, 0.34657, lambda r, p: 1 + r**2 * p(r**2), lambda r: 1),
    "tanh": (mpmath.tanh, 0.5625, lambda r, p: r + r**3 * p(r**2), mpmath.tanh),
    "sin": (mpmath.sin, 0.78539, lambda r, p: r + r**3 * p(r**2), mpmath.sin),
    "cos": (mpmath.cos, 0.78539, lambda r, p: 1 - r**2 / 2 + r**4 * p(r**2), lambda r: 1),
    "atan": (mpmath.atan, 1.0, lambda r, p: r + r**3 * p(r**2), mpmath.atan),
    "asin": (mpmath.asin, 0.5, lambda r, p: r + r**3 * p(r**2), mpmath.asin),
    "logtail": (
        lambda s: mpmath.log((1 + s) / (1 - s)), 0.17157,
        lambda s, p: 2 * s + 2 * s**3 / 3 + s**5 * p(s**2), lambda s: 2 * s,
    ),
    "powlog2": (lambda s: mpmath.log((1 + s) / (1 - s), 2), 0.17157, lambda s, p: s * p(s**2), lambda s: 3 * s),
    "powexp2": (lambda r: 2**r, 0.5, lambda r, p: p(r), lambda r: 2**r),
}  # fmt: skip
FORMULAS_OF_ELEMENT = {
    ("log", "float"): (mpmath.log1p, (-0.2928, 0.4142), lambda f, p: f - f**2 / 2 + f**3 * p(f), mpmath.log1p),
    ("log", "double"): (
        lambda s: mpmath.log((1 + s) / (1 - s)), 0.17157, lambda s, p: 2 * s + s**3 * p(s**2), lambda s: 2 * s,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "element"), POLYNOMIALS)
def test_polynomials_have_the_error_that_they_state(name: str, element: str) -> None:
    polynomial = POLYNOMIALS[name, element]
    function, limits, made, against = FORMULAS_OF_ELEMENT.get((name, element)) or FORMULAS[name]
    coefficients = [mpmath.mpf(float(DTYPES[element](c))) for c in polynomial.coefficients]
    if name.startswith("pow"):
        coefficients = [mpmath.mpf(c) for c in polynomial.coefficients]
    low, high = limits if isinstance(limits, tuple) else (-limits, limits)
    worst = mpmath.mpf(0)
    with mpmath.workdps(50):
        for i in range(1, 121):
            r = (mpmath.cos(mpmath.pi * (2 * i - 1) / 241) * (high - low) + high + low) / 2
            error = function(r) - made(r, lambda z: mpmath.fsum(c * z**k for k, c in enumerate(coefficients)))
            worst = max(worst, abs(error / against(r)))
        assert mpmath.log(worst, 2) <= polynomial.log2_error + 0.1
        assert mpmath.log(worst, 2) >= polynomial.log2_error - 1


def test_every_function_states_its_bound() -> None:
    assert {name: set(bounds) for name, bounds in ERROR_ULP.items()} == {name: set(DTYPES) for name in FUNCTIONS}
    assert max(max(bounds.values()) for bounds in ERROR_ULP.values()) <= 2


def test_assert_within_can_fail() -> None:
    one = np.ones(3, np.float32)
    with pytest.raises(AssertionError, match=r"2\.000 ulp at \(np\.float32\(1\.0\)\)"):
        assert_within(one + np.float32(2**-22), one.astype(np.float64), 1.9, one)
    with pytest.raises(AssertionError, match="inf ulp"):
        assert_within(np.array([np.nan], np.float32), np.array([1.0]), 2.0, one)


def test_assert_same_bits_can_fail() -> None:
    with pytest.raises(AssertionError, match="1 differ"):
        assert_same_bits(np.array([0.0, 1.0]), np.array([-0.0, 1.0]))
