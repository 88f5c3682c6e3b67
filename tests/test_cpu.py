"""LLVM text to running code: what is refused, with which error, and what may be assumed of what was loaded."""

import ctypes
import gc
import subprocess
import sys
import threading

import numpy as np
import pytest

from kernelscape.backends import cpu
from kernelscape.errors import CompilationError, KernelscapeError
from kernelscape.machine import TARGETS, describe_host, named_target

ADD = "define i64 @f(i64 %a, i64 %b) {\n %c = add i64 %a, %b\n ret i64 %c\n}\n"
NAMES = ("host", "x86-64", "x86-64-v2", "x86-64-v3")


def target_named(name):
    return cpu.host_target() if name == "host" else named_target(name)


def loaded(text, name="host", symbols=("f",)):
    return cpu.load_object(cpu.compile_text(text, target_named(name)), symbols)


def binary(code):
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(code.addresses["f"])


@pytest.mark.parametrize("name", NAMES)
def test_code_of_every_target_that_this_machine_has_runs(name):
    code = loaded(ADD, name)
    assert binary(code)(40, 2) == 42


@pytest.mark.parametrize("text", [
    "this is no module", "define void @f() {\n ret i64 0\n}", "define i64 @f() {\n %a = add i64 %b, 1\n ret i64 %a\n}",
    "define i64 @f(i64 %a) {\n %b = fadd i64 %a, %a\n ret i64 %b\n}",
])  # fmt: skip
def test_wrong_text_is_a_compilation_error(text):
    with pytest.raises(CompilationError, match="LLVM refused") as caught:
        cpu.compile_text(text, cpu.host_target())
    assert isinstance(caught.value, KernelscapeError | RuntimeError)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(("declaration", "call"), [
    ("declare float @fmaf(float, float, float)", "call float @fmaf(float %x, float %x, float %x)"),
    ("declare float @floorf(float)", "call float @floorf(float %x)"),
    ("declare float @llvm.sin.f32(float)", "call float @llvm.sin.f32(float %x)"),
    ("declare float @llvm.pow.f32(float, float)", "call float @llvm.pow.f32(float %x, float %x)"),
])  # fmt: skip
def test_code_that_calls_a_library_is_refused_when_it_is_loaded(declaration, call):
    text = f"{declaration}\ndefine float @f(float %x) {{\n %y = {call}\n ret float %y\n}}\n"
    code = cpu.compile_text(text, cpu.host_target())
    with pytest.raises(CompilationError, match="could not be loaded"):
        cpu.load_object(code, ("f",))
    assert binary(loaded(ADD))(1, 2) == 3, "a refusal must leave the engine usable"


@pytest.mark.parametrize("intrinsic", ["fma", "floor", "roundeven"])
def test_an_intrinsic_that_is_no_instruction_of_the_target_is_refused(intrinsic):
    count = 3 if intrinsic == "fma" else 1
    operands = ", ".join(["float %x"] * count)
    text = (
        f"declare float @llvm.{intrinsic}.f32({', '.join(['float'] * count)})\n"
        f"define float @f(float %x) {{\n %y = call float @llvm.{intrinsic}.f32({operands})\n ret float %y\n}}\n"
    )
    with pytest.raises(CompilationError, match="could not be loaded"):
        loaded(text, "x86-64")
    assert loaded(text, "x86-64-v3").addresses["f"]


def test_half_conversions_without_instructions_are_refused():
    text = "define float @f(half %x) {\n %y = fpext half %x to float\n ret float %y\n}\n"
    with pytest.raises(CompilationError, match="could not be loaded"):
        loaded(text, "x86-64")


def test_a_missing_symbol_is_refused():
    with pytest.raises(CompilationError, match="could not be loaded"):
        loaded(ADD, symbols=("g",))


def test_blocks_of_memory_may_be_copied_and_set_by_calls():
    text = (
        "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n"
        "define void @f(ptr %to, ptr %from, i64 %n) {\n"
        " call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %n, i1 false)\n ret void\n}\n"
    )
    code, source, target = loaded(text), np.arange(1000, dtype=np.uint8), np.zeros(1000, np.uint8)
    copy = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(code.addresses["f"])
    copy(target.ctypes.data, source.ctypes.data, 999)
    assert (target[:999] == source[:999]).all()
    assert target[999] == 0


def test_modules_with_the_same_names_live_side_by_side():
    more = ADD.replace("add", "sub")
    first, second = loaded(ADD), loaded(more)
    assert (binary(first)(5, 3), binary(second)(5, 3)) == (8, 2)
    del first
    gc.collect()
    assert binary(second)(5, 3) == 2


FAR_FROM_FREE_ADDRESSES = """
import ctypes, mmap
from kernelscape.backends import cpu

def value(x):
    loaded = cpu.load_object(code, ("f",))
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(loaded.addresses["f"])(x)

steps = "".join(f"%x{i + 1} = fadd double %x{i}, 1.5\\n" for i in range(4000))
text = f"define double @f(double %x0) {{\\n{steps}ret double %x4000\\n}}\\n"
code = cpu.compile_text(text, cpu.host_target())
assert len(code) > 4 * mmap.PAGESIZE
assert value(0.0) == 6000.0   # everything that loading needs once is in memory now

libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

def reserve(size):
    at = libc.mmap(None, size, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)   # addresses without memory
    assert at != ctypes.c_void_p(-1).value
    return at

high, low = reserve(3 * mmap.PAGESIZE), reserve(3 << 30)
size = 1 << 30
while size >= mmap.PAGESIZE:   # fill what is free above, with the large pieces first
    at = reserve(size)
    if at < low:
        libc.munmap(at, size)
        size //= 2
libc.munmap(high + mmap.PAGESIZE, mmap.PAGESIZE)   # room for the constants, not for the code
print(value(1.0))
"""


def test_code_and_constants_stay_together_where_addresses_are_few():
    # As behind hundreds of threads' stacks or arrays of gigabytes: what is free lies on both sides of more than 2 GiB.
    command = [sys.executable, "-c", FAR_FROM_FREE_ADDRESSES]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "6001.0\n", "")


def test_threads_compile_and_load_at_once():
    found, errors = {}, []

    def work(number):
        try:
            found[number] = loaded(ADD.replace("ret i64 %c", f"%d = add i64 %c, {number}\n ret i64 %d"))
        except BaseException as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [binary(found[n])(1, 2) for n in range(6)] == [3 + n for n in range(6)]


def test_the_host_is_described_once_and_is_no_portable_target():
    host = cpu.host_target()
    assert host is cpu.host_target()
    assert host.name == "host"
    assert host.name not in TARGETS
    assert host.vector_bytes in (16, 32, 64)


def test_versions_name_both_libraries():
    import llvmlite

    assert cpu.versions().startswith(f"llvmlite {llvmlite.__version__} LLVM ")
    assert cpu.versions().split()[-1].count(".") == 2


def test_functions_ask_for_the_vectors_of_the_target():
    for name in NAMES:
        target = target_named(name)
        assert f'"prefer-vector-width"="{8 * target.vector_bytes}"' in cpu.function_attributes(target)


def test_assembly_is_for_reading_and_depends_on_the_target():
    text = "define <8 x float> @f(<8 x float> %x) {\n %y = fadd <8 x float> %x, %x\n ret <8 x float> %y\n}\n"
    assert "vaddps" in cpu.assembly(text, named_target("x86-64-v3"))
    assert "vaddps" not in cpu.assembly(text, named_target("x86-64"))


def test_undefined_symbols_are_those_that_are_called_and_not_there():
    text = "declare void @g()\ndeclare void @h()\ndeclare void @i()\n"
    text += "define void @f() {\n call void @g()\n call void @h()\n call void @k()\n ret void\n}\n"
    text += "define void @k() {\n ret void\n}\n"
    assert cpu.undefined_symbols(cpu.compile_text(text, cpu.host_target())) == {"g", "h"}
    assert cpu.undefined_symbols(cpu.compile_text(ADD, cpu.host_target())) == set()


def test_what_a_machine_lacks_for_a_target_is_known(monkeypatch):
    assert all(cpu.missing_features(target_named(name)) == () for name in NAMES)
    older = describe_host("older", {"sse2": True, "sse3": True, "avx": False}, is_x86=True)
    monkeypatch.setattr(cpu, "host_target", lambda: older)
    assert cpu.missing_features(older) == ()
    assert cpu.missing_features(TARGETS["x86-64"]) == ()
    assert {"avx2", "fma"} <= set(cpu.missing_features(TARGETS["x86-64-v3"]))
    other = describe_host("other", {"sse2": True, "sse3": True, "amx": True}, is_x86=True)
    assert cpu.missing_features(other) == ("amx",), "a plan that was made on another machine"
    monkeypatch.setattr(cpu, "host_target", lambda: describe_host("arm", {"neon": True}, is_x86=False))
    assert cpu.missing_features(TARGETS["x86-64"]) == ("sse2",)
