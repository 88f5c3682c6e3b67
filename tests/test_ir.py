"""The writer of LLVM text: what its constants, value numbering and control flow mean when the code runs.

Everything but the texts of constants is compiled and run, so that a wrong block, phi or scope cannot hide.
"""

import math
import struct

import numpy as np
import pytest

from kernelscape.backends.ir import I1, I8, I32, I64, PTR, Bounds, Module, Type, constant, vector_constant
from tests.oracle.engine import TARGETS, compiled_function

F16, F32, F64 = Type("half"), Type("float"), Type("double")
FLOATS = {"half": np.float16, "float": np.float32, "double": np.float64}
NUMBERS = [0.0, -0.0, 1.0, -1.5, 0.1, 1 / 3, 65504.0, 65519.0, 65520.0, 1e6, -1e6, 3.4e38, 3.5e38, -1e300, 6e-8, 1e-46,
           5e-324, math.inf, -math.inf, math.nan, 2**53 + 1, -(2**63)]  # fmt: skip


def number(value):
    return constant(I64, value)


def words(*values):
    return np.array(values, np.int64)


def ops_of(write, signature=(("a", I64), ("b", I64))):
    """Give the lines of a function's body."""
    module = Module()
    builder = module.function("f", signature)
    write(builder)
    builder.finish()
    return module.text().split("body:\n")[1].split("  ret")[0].splitlines()


# -- constants --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("element", FLOATS)
@pytest.mark.parametrize("lanes", [1, 4])
def test_a_floating_constant_has_the_bits_that_numpy_gives_it(element, lanes):
    type_, dtype = Type(element, lanes), np.dtype(FLOATS[element])

    def write(b):
        for place, value in enumerate(NUMBERS):
            b.store(constant(type_, value), b.offset(b.arguments[0], place * lanes * dtype.itemsize))

    found = np.zeros((len(NUMBERS), lanes), dtype)
    compiled_function([("out", PTR)], write)(found.ctypes.data)
    with np.errstate(over="ignore"):
        wanted = np.array([dtype.type(v) for v in NUMBERS])[:, None].repeat(lanes, 1)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(np.signbit(found[~np.isnan(found)]), np.signbit(wanted[~np.isnan(wanted)]))


def test_minus_zero_and_zero_are_two_constants_whichever_comes_first():
    for type_ in (F16, F32, F64):
        assert constant(type_, 0.0) != constant(type_, -0.0)
        assert constant(type_, 0) == constant(type_, 0.0)
        assert constant(type_, -0.0) == vector_constant(type_, [-0.0])
    lanes = vector_constant(Type("float", 2), [0.0, -0.0])
    assert lanes.name == "<float 0x0000000000000000, float 0x8000000000000000>"


@pytest.mark.parametrize(("type_", "value", "text"), [
    (I8, 255, "-1"), (I8, 128, "-128"), (I8, -129, "127"), (I8, 256, "0"), (I32, 2**31, "-2147483648"),
    (I64, 2**64 - 1, "-1"),
    (I64, -(2**63), "-9223372036854775808"), (I1, True, "true"), (I1, 0, "false"), (I1.of("i8"), True, "1"),
])  # fmt: skip
def test_integer_constants_wrap_into_their_width(type_, value, text):
    assert constant(type_, value).name == text


def test_a_table_of_constants_is_written_once():
    modules = []

    def write(b):
        first = b.module.constant_table("t", F32, [1.5, -0.0, 7.0])
        assert b.module.constant_table("t", F32, [1.5, -0.0, 7.0]) == first
        b.store(b.load(Type("float", 2), b.offset(first, 4)), b.arguments[0])
        modules.append(b.module)

    out = np.zeros(2, np.float32)
    compiled_function([("out", PTR)], write)(out.ctypes.data)
    assert modules[0].text().count("@t =") == 1
    assert (out.tolist(), np.signbit(out).tolist()) == ([0.0, 7.0], [True, False])


# -- value numbering --------------------------------------------------------------------------------------------------


def test_equal_operations_are_written_once_and_others_are_not():
    def write(b):
        a, c = b.arguments
        assert b.mul(a, c) == b.mul(a, c)
        assert b.mul(a, c) != b.mul(c, a)
        assert b.icmp("slt", a, c) == b.icmp("slt", a, c)
        assert b.icmp("slt", a, c) != b.icmp("sle", a, c)
        assert b.splat(a, 4) == b.splat(a, 4)
        assert b.splat(a, 4) != b.splat(a, 8)
        assert b.intrinsic("smin", I64, a, c) == b.intrinsic("smin", I64, a, c)

    lines = ops_of(write)
    assert sum("= mul" in line for line in lines) == 2
    assert sum("= icmp" in line for line in lines) == 2
    assert sum("llvm.smin" in line for line in lines) == 1


def test_sums_with_constants_are_collected():
    def write(b):
        a, c = b.arguments
        up = b.add(a, number(5))
        assert b.sub(up, number(5)) == a
        assert b.add(number(2), up) == b.add(a, number(7))
        assert b.add(number(2), number(3)) == number(5)
        assert b.add(number(2**63 - 1), number(1)) == number(-(2**63))
        assert b.mul(a, number(1)) == a
        assert b.mul(number(1), c) == c
        assert b.select(b.icmp("eq", a, c), a, a) == a

    assert sum("= add" in line for line in ops_of(write)) == 2


def test_a_value_of_one_branch_is_not_used_in_another_or_behind():
    """Each branch computes a + b anew; a verifier error or a wrong sum would show a leaked name."""

    def write(b):
        a, c, out = b.arguments
        less = b.icmp("slt", a, c)
        b.when(less, lambda: b.store(b.mul(a, c), out), lambda: b.store(b.mul(b.mul(a, c), number(10)), out))
        b.store(b.mul(a, c), b.offset(out, 8))
        known = b.mul(c, c)
        b.when(less, lambda: b.store(known, b.offset(out, 16)), lambda: b.store(b.mul(c, c), b.offset(out, 16)))

    run = compiled_function([("a", I64), ("b", I64), ("out", PTR)], write)
    for a, c in ((2, 7), (7, 2)):
        out = words(0, 0, 0)
        run(a, c, out.ctypes.data)
        assert out.tolist() == [a * c if a < c else 10 * a * c, a * c, c * c]


def test_memory_is_read_again_unless_nobody_writes_it():
    def write(b):
        (p,) = b.arguments
        first = b.load(I64, p)
        b.store(b.add(first, number(1)), p)
        assert b.load(I64, p) != first
        assert b.load_constant(I64, b.offset(p, 8)) == b.load_constant(I64, b.offset(p, 8))
        return b.load(I64, p)

    memory = words(41, 0)
    assert compiled_function([("p", PTR)], write, result="i64")(memory.ctypes.data) == 42


# -- loops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("never_empty", [False, True])
@pytest.mark.parametrize("target", TARGETS)
def test_loops_carry_values(never_empty, target):
    """Fibonacci numbers: two values that swap places from turn to turn."""

    def write(b):
        def body(i, state):
            return [state[1], b.add(state[0], state[1])]

        return b.loop(number(0), b.arguments[0], 1, [number(0), number(1)], body, never_empty=never_empty)[0]

    run = compiled_function([("n", I64)], write, target, "i64")
    wanted = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]
    assert [run(n) for n in range(never_empty, 10)] == wanted[never_empty:]


@pytest.mark.parametrize(
    ("start", "stop", "step"), [(0, 10, 1), (0, 10, 3), (0, 9, 3), (-5, 5, 4), (3, 3, 1), (4, 3, 1), (7, 8, 100)]
)
def test_a_loop_is_a_range(start, stop, step):
    def write(b):
        def body(i, state):
            b.store(i, b.element_pointer(b.arguments[2], "i64", state[0]))
            return [b.add(state[0], number(1))]

        return b.loop(b.arguments[0], b.arguments[1], step, [number(0)], body)[0]

    out = np.full(20, -99)
    count = compiled_function([("a", I64), ("b", I64), ("p", PTR)], write, result="i64")(start, stop, out.ctypes.data)
    assert out[:count].tolist() == list(range(start, stop, step))
    assert (out[count:] == -99).all()


def test_a_fork_gives_the_values_of_the_branch_that_runs():
    """Loops and forks inside branches: the values come from the last block of each."""

    def write(b):
        a, c = b.arguments

        def less():
            (inner,) = b.fork(b.icmp("eq", a, number(0)), lambda: [number(5)], lambda: [b.mul(a, c)])
            return [inner, a]

        def not_less():
            total = b.loop(number(0), a, 1, [number(0)], lambda i, state: [b.add(state[0], i)])[0]
            return [total, b.mul(a, c)]

        first, second = b.fork(b.icmp("slt", a, c), less, not_less)
        return b.add(b.mul(first, number(1000)), b.add(second, b.mul(a, c)))

    run = compiled_function([("a", I64), ("b", I64)], write, result="i64")
    assert run(0, 3) == 5000
    assert run(2, 3) == 6 * 1000 + 2 + 6
    assert run(4, 3) == 6 * 1000 + 12 + 12


def test_hoisted_code_runs_once_in_front_of_the_outermost_loop():
    """A counter in memory is raised by hoisted code: once, however many turns, also when there are none."""

    def write(b):
        n, p = b.arguments

        def raised():
            b.store(b.add(b.load(I64, p), number(1)), p)
            return b.mul(n, number(3))

        def inner(j, state):
            tripled = b.remember(("tripled",), lambda: b.hoisted(raised))
            return [b.add(state[0], tripled)]

        def outer(i, state):
            return b.loop(number(0), n, 1, state, inner)

        return b.loop(number(0), n, 1, [number(0)], outer)[0]

    run = compiled_function([("n", I64), ("p", PTR)], write, result="i64")
    for n in (0, 1, 4):
        counter = words(0)
        assert run(n, counter.ctypes.data) == n * n * 3 * n
        assert counter[0] == 1


def test_hoisted_code_may_branch_and_loop_itself():
    """The loop's phis must name the block in which the hoisted code ends."""

    def write(b):
        n, p = b.arguments

        def prepared():
            b.when(b.icmp("sgt", n, number(2)), lambda: b.store(number(100), p), lambda: b.store(number(7), p))
            return b.loop(number(0), n, 1, [b.load(I64, p)], lambda i, s: [b.add(s[0], i)])[0]

        return b.loop(number(0), n, 1, [number(0)], lambda i, s: [b.add(s[0], b.hoisted(prepared))])[0]

    run = compiled_function([("n", I64), ("p", PTR)], write, result="i64")
    for n in (0, 1, 2, 3, 5):
        base = (100 if n > 2 else 7) + sum(range(n))
        assert run(n, words(0).ctypes.data) == n * base


def test_what_a_loop_knew_is_forgotten_behind_it():
    def write(b):
        (n,) = b.arguments

        def body(i, state):
            return [b.add(state[0], b.mul(n, n))]

        total = b.loop(number(0), n, 1, [number(0)], body)[0]
        return b.add(total, b.mul(n, n))

    run = compiled_function([("n", I64)], write, result="i64")
    assert [run(n) for n in (0, 1, 3)] == [0, 2, 36]


def test_repeat_asks_before_each_turn():
    """Collatz steps until 1; none for 1."""

    def write(b):
        value, steps = b.local(I64), b.local(I64)
        b.store(b.arguments[0], value)
        b.store(number(0), steps)

        def turn():
            now = b.load(I64, value)
            odd = b.icmp("eq", b.binary("and", now, number(1)), number(1))
            up = b.add(b.mul(now, number(3)), number(1))
            b.when(odd, lambda: b.store(up, value), lambda: b.store(b.binary("lshr", now, number(1)), value))
            b.store(b.add(b.load(I64, steps), number(1)), steps)

        b.repeat(lambda: b.icmp("ne", b.load(I64, value), number(1)), turn)
        return b.load(I64, steps)

    run = compiled_function([("n", I64)], write, result="i64")
    assert [run(n) for n in (1, 2, 3, 6, 7, 27)] == [0, 1, 7, 8, 16, 111]


def test_locals_are_arrays_of_the_frame_and_counters_are_shared():
    def write(b):
        (p,) = b.arguments
        table = b.local(I64, 8)
        b.loop(number(0), number(8), 1, [], lambda i, _: b.store(b.mul(i, i), b.element_pointer(table, "i64", i)) or [])
        before = b.fetch_add(p, b.load(I64, b.offset(table, 7 * 8)))
        return b.sub(b.load_shared(p), before)

    assert compiled_function([("p", PTR)], write, result="i64")(words(1).ctypes.data) == 49


# -- checked memory ---------------------------------------------------------------------------------------------------


def checked_copy(lanes):
    """Give ``copy(source, target, bounds, error)``: four loads and stores of i16 vectors between two buffers."""
    type_ = Type("i16", lanes)

    def write(b):
        source, target, bounds, error = b.arguments
        b.offence = lambda address: b.store(address, error)
        first, end = (
            Bounds(b.load(I64, b.offset(bounds, 16 * i)), b.load(I64, b.offset(bounds, 16 * i + 8))) for i in range(2)
        )
        b.store(b.load(type_, source, first), target, end)

    signature = [("source", PTR), ("target", PTR), ("bounds", PTR), ("error", PTR)]
    return compiled_function(signature, write)


@pytest.mark.parametrize("lanes", [1, 8])
def test_accesses_outside_are_reported_and_made_inside(lanes):
    copy, size = checked_copy(lanes), 2 * lanes
    source, target = np.arange(100, 164, dtype=np.int16), np.zeros(64, np.int16)
    inside = 20
    reach = 2 * inside  # a buffer of `inside` elements in the middle of each array
    s, t = source[20:].ctypes.data, target[20:].ctypes.data
    bounds = words(s, s + reach, t, t + reach)
    for place in (-2, -1, 0, 5, reach - size, reach - size + 1, reach, 4 * reach):
        for reads in (True, False):
            error = words(0)
            target[:] = 0
            here = (s + place, t) if reads else (s, t + place)
            copy(*here, bounds.ctypes.data, error.ctypes.data)
            offends = not 0 <= place <= reach - size
            assert error[0] == ((here[0] if reads else here[1]) if offends else 0)
            assert not target[:20].any()
            assert not target[20 + inside :].any()
            assert target.any()
            if offends:
                assert target[20:].view(np.int16)[:lanes].tolist() == source[20 : 20 + lanes].tolist()


def test_code_that_is_not_checked_does_not_look_at_bounds():
    def body(b):
        b.store(b.load(I64, b.arguments[0], Bounds(number(0), number(8))), b.arguments[1], Bounds(number(0), number(8)))

    lines = ops_of(body, [("a", PTR), ("b", PTR)])
    assert len(lines) == 2


def test_the_text_of_a_float_is_that_of_the_equal_double():
    """LLVM reads the bits of a double for `float`, and refuses those that a float cannot hold."""
    value = struct.unpack(">f", struct.pack(">f", 0.1))[0]
    assert constant(F32, 0.1).name == f"0x{int.from_bytes(struct.pack('>d', value), 'big'):016X}"


def test_tables_of_other_numbers_are_other_tables():
    """Several sweeps of one module, as over columns and over outputs, each look up tables of their own."""
    module = Module()
    first, second = module.integer_table((0, 1, 5)), module.integer_table((0, 2, 3))
    assert first.name != second.name
    assert module.integer_table((0, 1, 5)).name == first.name
    assert module.text().count("private unnamed_addr constant") == 2
