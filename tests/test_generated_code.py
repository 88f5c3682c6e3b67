"""What generated code must never contain, for every function of the conformance table, and a few kernels to read.

Looked at: the text of kernels (whole windows, with flags, checked) and the object code that it becomes on three
targets. Results must not depend on what an optimiser makes of the text, so it has no fast-math flag, no ``nsw``,
``nuw`` or ``exact`` and no ``undef``; divisions and conversions to integers see guarded operands only; and nothing
calls a library. Whether guards are right is the matter of ``test_operators.py``.
"""

import itertools
import re

import numpy as np
import pytest

import kernelscape as ks
from kernelscape import expression as ex
from kernelscape.backends import cpu
from kernelscape.backends.driver import worker_text
from kernelscape.backends.emit import Loading, Phases, fill_text, kernel_text, phases_text
from kernelscape.backends.emit.folds import _row_runs
from kernelscape.expression import to_text
from tests.conformance.functions import FUNCTIONS
from tests.oracle.engine import TARGETS, plan_of, target_named, whole_numbers
from tests.oracle.jobs import WindowWords, make_job
from tests.oracle.tiles import middle

DTYPES = ("bool", "uint8", "int16", "uint32", "int64", "float16", "float32", "float64")
FORBIDDEN = re.compile(r"\b(fast|nnan|ninf|nsz|arcp|contract|afn|reassoc|nsw|nuw|exact|disjoint|nneg|inbounds|undef)\b")
CALL = re.compile(r"\bcall (?!void asm sideeffect \"\", )[^@%]*(@\S+?|%\S+?)\(")
DEFINITION = re.compile(r"^  (%\S+) = (.*)$", re.MULTILINE)
DIVISION = re.compile(r"= (sdiv|udiv|srem|urem) ((?:<\d+ x )?i\d+>?) (%\S+|<.*?>|-?\d+), (.*)$", re.MULTILINE)
TO_INTEGER = re.compile(r"= (fptosi|fptoui) (?:<\d+ x )?\w+>? (%\S+|<.*?>|\S+) to ", re.MULTILINE)


def argument(role, dtype):
    """Give an argument of a role, with values of no importance."""
    if role == "index":
        return ks.index(0)
    if role == "number":
        return 2
    array = whole_numbers((3, 3) if role == "kernel" else (20, 70), dtype)
    return {"kernel": ks.kernel, "pixel": ks.pixel}.get(role, lambda a: a)(array)


def plan_for(name, dtype, *, target="x86-64-v3", mode="shrink", size=3):
    function = FUNCTIONS[name]
    arguments = [argument(role, dtype) for role in function.roles]
    with ks.configure(target=None if target == "host" else target):
        return ks.stencil(function.call, size=size, mode=mode).plan(*arguments)


def dtypes_of(name):
    return [d for d in DTYPES if np.dtype(d).kind in FUNCTIONS[name].kinds]


def texts_for(name, dtype, *, target="x86-64-v3", size=3):
    """Give the kernel for whole windows, the one with flags and the checked one."""
    plan = plan_for(name, dtype, target=target, size=size)
    yield kernel_text(plan.stage, plan.target, masked=False, checked=False)
    yield kernel_text(plan.masked_stage, plan.target, masked=True, checked=False)
    yield kernel_text(plan.stage, plan.target, masked=False, checked=True)


# -- text -


def is_guarded(definitions, name, steps=6):
    """A value is chosen among values (select, minimum, maximum), masked, or known from integers, a few steps back."""
    if name[0] != "%":
        return True
    text = definitions.get(name, "")
    opcode = text.split(" ", 1)[0]
    if opcode in {"select", "and", "zext", "sitofp", "uitofp", "or"} or re.search(r"llvm\.(s|u)?(min|max)", text):
        return True
    if opcode == "load":
        return False
    return steps > 0 and any(is_guarded(definitions, n, steps - 1) for n in re.findall(r"%v\d+", text))


def has_zero(constant):
    return any(
        word in {"0", "zeroinitializer"}
        for word in re.findall(r"zeroinitializer|(?<![\w.])-?\d+(?= *[,>]|$)", constant)
    )


def assert_harmless(text):
    """Nothing in the text is undefined, whatever the data are."""
    __tracebackhide__ = True
    found = FORBIDDEN.search(text.split("attributes #0")[0])
    assert found is None, text[max(0, found.start() - 100) : found.end() + 100]
    for call in CALL.finditer(text):
        ours = re.search(rf"^define internal .*{call.group(1)}\(", text, flags=re.MULTILINE)
        assert ours or call.group(1).startswith("@llvm."), call.group(0)
    definitions = dict(DEFINITION.findall(text))
    for opcode, _, _, divisor in DIVISION.findall(text):
        if divisor.startswith("%"):
            assert is_guarded(definitions, divisor), (opcode, divisor, definitions.get(divisor))
        else:
            assert not has_zero(divisor), (opcode, divisor)
    for opcode, value in TO_INTEGER.findall(text):
        assert is_guarded(definitions, value), (opcode, value, definitions.get(value))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_that_is_undefined_is_written(name):
    """Every second dtype, beginning with the first or the second by turns."""
    for dtype in dtypes_of(name)[list(FUNCTIONS).index(name) % 2 :: 2] or dtypes_of(name):
        for text in texts_for(name, dtype):
            assert_harmless(text)


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_that_is_undefined_is_written_in_loops_and_networks_of_large_windows(target):
    for name in (
        "sum",
        "std",
        "median",
        "sum_of_products",
        "bilateral",
        "argmax",
        "nanmean",
        "lower_percentile",
        "pair",
    ):
        for text in texts_for(
            name, "float32", target=target, size=(3, 3) if "kernel" in FUNCTIONS[name].roles else (7, 9)
        ):
            assert_harmless(text)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("dtype", "mode"), [("uint8", "wrap"), ("uint16", "wrap"), ("float32", "shrink")])
def test_nothing_that_is_undefined_is_written_for_whole_tiles(target, dtype, mode):
    array = np.zeros((200, 300), dtype)
    for size in ((13, 15), (63, 40)):
        plan = plan_of(make_job(middle, [array], [WindowWords(size, mode)]), [array], target=target)
        assert plan.stage.tile_ranks
        for checked in (False, True):
            assert_harmless(kernel_text(plan.stage, plan.target, masked=False, checked=checked))
            assert_harmless(kernel_text(plan.masked_stage, plan.target, masked=True, checked=checked))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("size", "stride"), [(31, 1), (3, (1, 2)), (7, (1, 2)), (15, (1, 2)), (35, (1, 2))])
def test_nothing_that_is_undefined_is_written_for_counts_of_equal_samples(target, size, stride):
    """In histograms that move along, in registers, in loops over sorted samples, and level by level."""
    array = np.zeros((200, 300), np.int8)

    def function(w):
        ordered = ex.sort(ex.reshape(w, (w.size,)), 0, numbers=True)
        return tuple(ex.runs(measure, ordered) for measure in ex.RUN_MEASURES)

    plan = plan_of(make_job(function, [array], [WindowWords(size)], stride=stride), [array], target=target)
    assert bool(plan.stage.tile_ranks) == (stride == 1)
    for checked in (False, True):
        assert_harmless(kernel_text(plan.stage, plan.target, masked=False, checked=checked))


@pytest.mark.parametrize("line", [
    "  %v1 = fadd fast float %v0, %v0", "  %v1 = add nsw i32 %v0, 1", "  %v1 = udiv exact i32 %v0, 2",
    "  %v1 = insertelement <4 x float> undef, float %v0, i64 0", "  %v1 = call float @sinf(float %v0)",
    "  %v1 = sdiv i32 %v0, 0", "  %v1 = udiv <2 x i8> %v0, <i8 3, i8 0>", "  %v1 = sdiv i32 %v0, %v0",
    "  %v1 = fptosi float %v0 to i32", "  %v1 = fptoui <4 x float> %v0 to <4 x i32>", "  call void @exit(i32 1)",
])  # fmt: skip
def test_the_check_finds_what_it_is_for(line):
    with pytest.raises(AssertionError):
        assert_harmless("  %v0 = load float, ptr %p, align 1\n" + line + "\n")


@pytest.mark.parametrize("line", [
    "  %v1 = fadd float %v0, %v0", "  %v1 = sdiv i32 %v0, 10", "  %v2 = udiv <2 x i8> %v0, <i8 10, i8 3>",
    "  %v1 = select i1 %c, float %v0, float 1.0\n  %v2 = fptosi float %v1 to i32",
])  # fmt: skip
def test_the_check_lets_the_rest_pass(line):
    assert_harmless("  %v0 = load float, ptr %p, align 1\n" + line + "\n")


# -- texts to read -


def local_range(w):
    return np.max(w) - np.min(w)


GOLDEN = {
    "correlation": lambda: ks.stencil(lambda w, k: np.sum(w * k), size=(2, 3)).plan(image("f4"), weights()),
    "range_of_bytes": lambda: ks.stencil(local_range, size=(2, 3)).plan(image("u1")),
    "median_on_a_line": lambda: ks.stencil(np.median, size=5).plan(image("i2")[0]),
    "mean_of_bytes": lambda: ks.stencil(np.mean, size=(2, 2)).plan(image("u1")),
    "difference_of_squares": lambda: ks.stencil(lambda a, b: np.sum(a**2 - b**2), size=3).plan(*[image("f4")[0]] * 2),
    "weights_by_distance": lambda: ks.stencil(lambda w: np.sum(w / (1 + np.abs(w - w[1]))), size=3).plan(
        image("f8")[0]
    ),
    "integer_quotient": lambda: ks.stencil(lambda w: w[0] // w[1], size=2).plan(image("i4")[0]),
}


def image(dtype):
    return whole_numbers((480, 640), dtype)


def weights():
    return ks.kernel(whole_numbers((2, 3)))


@pytest.fixture
def portable():
    """The target is pinned, so that plans and code are the same on every machine."""
    with ks.configure(target="x86-64-v3"):
        yield


@pytest.mark.usefixtures("portable")
@pytest.mark.parametrize("name", GOLDEN)
def test_plans_and_code_are_as_reviewed(name, golden):
    plan = GOLDEN[name]()
    golden(f"plan_{name}.txt", f"traced:\n{to_text(plan.job.outputs)}\n\n{plan.explain()}")
    golden(f"code_{name}.ll", kernel_text(plan.stage, plan.target, masked=False, checked=False))


@pytest.mark.usefixtures("portable")
def test_code_with_flags_and_checks_is_as_reviewed(golden):
    plan = ks.stencil(np.max, size=2, mode="shrink").plan(image("f4")[0])
    golden("code_masked.ll", kernel_text(plan.masked_stage, plan.target, masked=True, checked=False))
    golden("code_checked.ll", kernel_text(plan.stage, plan.target, masked=False, checked=True))


def test_code_for_rows_is_as_reviewed(golden):
    i2, f4 = np.dtype(np.int16), np.dtype(np.float32)
    target = target_named("x86-64-v3")
    golden("code_rows.ll", fill_text(target, Loading(i2, True, f4, f4), checked=False))
    golden("code_rows_reversed.ll", fill_text(target, Loading(f4, False, f4, f4), step=-2, checked=False))
    golden("code_phases.ll", phases_text(target, Loading(f4, False, f4, f4), Phases(4, (0, 1, 3)), checked=False))


@pytest.mark.usefixtures("portable")
@pytest.mark.parametrize("size", [5, 15, (4, 31)])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 7])
def test_kernels_of_strided_windows_look_no_tap_up_and_ask_ahead(stride, size):
    """In loops over taps too the phase of each is known; a table would cost as many reads as the samples."""
    kernel = np.ones(size if isinstance(size, tuple) else (size, size), np.float32)
    image = whole_numbers((80, 600))
    plan = ks.stencil(lambda w, k: np.sum(w * k), size=size, stride=stride).plan(image, ks.kernel(kernel))
    text = kernel_text(plan.stage, plan.target, masked=False, checked=False)
    assert "@table" not in text
    assert ("prefetch" in text) == (stride > 1)


@pytest.mark.parametrize(("extent", "rows", "shift"), [*itertools.product((1, 2, 5, 15), (1, 2, 4, 6), (1, 2, 4, 7))])
def test_runs_of_source_rows_hold_every_tap_once(extent, rows, shift):
    met = [
        (row, t) for start, stop, active in _row_runs(extent, rows, shift) for row in range(start, stop) for t in active
    ]
    assert sorted(met) == sorted((tap + shift * t, t) for tap in range(extent) for t in range(rows))
    assert [row for row, _ in met] == sorted(row for row, _ in met)


# -- object code -


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_is_called(name):
    """The target with the fewest instructions, and by turns one of the others; dtypes and flags by turns as well."""
    turn, dtypes = list(FUNCTIONS).index(name), dtypes_of(name)
    for target in ("x86-64", ("host", "x86-64-v3")[turn % 2]):
        plan = plan_for(name, dtypes[turn % len(dtypes)], target=target)
        masked = turn // 2 % 2 == 1
        stage = plan.masked_stage if masked else plan.stage
        code = cpu.compile_text(kernel_text(stage, plan.target, masked=masked, checked=False), plan.target)
        assert cpu.undefined_symbols(code) <= set(cpu.ALLOWED_SYMBOLS)


@pytest.mark.parametrize("name", ["sum", "max", "bilateral", "sum_of_products"])
def test_halves_need_no_helpers(name):
    """Without F16C their conversions would be library calls; they are written in integers."""
    for text in texts_for(name, "float16", target="x86-64"):
        assert cpu.undefined_symbols(cpu.compile_text(text, target_named("x86-64"))) <= set(cpu.ALLOWED_SYMBOLS)


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("target", TARGETS)
def test_the_worker_calls_only_through_pointers_that_it_is_given(target, checked):
    text = worker_text(target_named(target), checked=checked)
    assert FORBIDDEN.search(text) is None
    assert {c.group(1) for c in CALL.finditer(text) if c.group(1)[0] == "@"} <= {
        "@llvm.x86.sse.stmxcsr", "@llvm.x86.sse.ldmxcsr", "@llvm.smin.i64", "@llvm.smax.i64",
        "@llvm.memcpy.p0.p0.i64",
    }  # fmt: skip
    assert cpu.undefined_symbols(cpu.compile_text(text, target_named(target))) <= set(cpu.ALLOWED_SYMBOLS)
