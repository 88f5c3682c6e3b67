"""The only module that touches llvmlite: text of LLVM IR in, object code out, object code in, addresses out.

LLVM's optimisation passes are not run: the emitter writes finished SSA (see ``ir.py``). Code that would call a library
function (``fmaf``, ``floorf``, a float16 helper) is refused when it is loaded: whether the linker finds such a function
depends on the process, so an object's undefined symbols are compared with `ALLOWED_SYMBOLS` first.
"""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import struct
import threading
from functools import lru_cache
from typing import Any

from kernelscape.errors import CompilationError
from kernelscape.machine import Target, describe_host

ALLOWED_SYMBOLS = ("memset", "memcpy", "memmove")
"""What LLVM may call on its own for loads and stores of blocks."""

_SYMBOL_TABLE = 2
"""ELF's number for the section of all symbols."""

log = logging.getLogger("kernelscape.code")
_lock = threading.RLock()
os.register_at_fork(after_in_child=lambda: globals().update(_lock=threading.RLock()))


@lru_cache(maxsize=1)
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@lru_cache(maxsize=1)
def host_target() -> Target:
    """The processor that we run on."""
    llvm = _llvm()
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    return describe_host(llvm.get_host_cpu_name(), dict(llvm.get_host_cpu_features()), is_x86)


def missing_features(target: Target) -> tuple[str, ...]:
    """What this machine lacks to run code for a target; code for any target can be compiled."""
    host = host_target()
    return () if target == host else tuple(f for f in target.needs if f not in host.needs)


@lru_cache(maxsize=1)
def versions() -> str:
    """Versions of llvmlite and LLVM, for cache keys."""
    import llvmlite

    return f"llvmlite {llvmlite.__version__} LLVM {'.'.join(map(str, _llvm().llvm_version_info))}"


@lru_cache(maxsize=8)
def _target_machine(target: Target) -> Any:
    llvm = _llvm()
    triple = llvm.Target.from_default_triple()
    return triple.create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="default", jit=False
    )


def function_attributes(target: Target) -> str:
    """What every generated function carries: no unwinding, and vectors as wide as the target says."""
    bits = 8 * target.vector_bytes
    return f'nounwind "min-legal-vector-width"="{bits}" "prefer-vector-width"="{bits}"'


def compile_text(text: str, target: Target) -> bytes:
    """Object code of a module."""
    log.debug("%s", text)
    llvm = _llvm()
    with _lock:
        try:
            module = llvm.parse_assembly(text)
            return bytes(_target_machine(target).emit_object(module))
        except RuntimeError as error:
            raise CompilationError(f"LLVM refused the generated code: {error}") from error


def assembly(text: str, target: Target) -> str:
    """The machine code of a module, for people."""
    with _lock:
        return str(_target_machine(target).emit_assembly(_llvm().parse_assembly(text)))


class LoadedCode:
    """Object code in executable memory; it lives as long as this object."""

    def __init__(self, library: Any, addresses: dict[str, int]) -> None:
        self._library = library
        self.addresses = addresses


_engine: Any = None
_count = 0


def load_object(code: bytes, symbols: tuple[str, ...]) -> LoadedCode:
    """Places object code in memory and returns the addresses of `symbols`."""
    global _engine, _count
    foreign = undefined_symbols(code) - {*ALLOWED_SYMBOLS, "_GLOBAL_OFFSET_TABLE_"}
    if foreign:
        raise CompilationError(f"compiled code could not be loaded: it would call {', '.join(sorted(foreign))}")
    llvm = _llvm()
    with _lock:
        if _engine is None:
            # JITLink reserves one block for all sections of an object. LLVM's older linker asks the system for each
            # section by itself; where free addresses are few and far between, constants then lie beyond the 2 GiB that
            # a relative address reaches, and LLVM aborts the process.
            _engine = llvm.create_lljit_compiler(_target_machine(host_target()), use_jit_link=True)
        _count += 1
        builder = llvm.JITLibraryBuilder().add_object_img(code)
        for name in ALLOWED_SYMBOLS:
            builder.import_symbol(name, _c_address(name))
        for symbol in symbols:
            builder.export_symbol(symbol)
        try:
            library = builder.link(_engine, f"kernelscape{_count}")
        except RuntimeError as error:
            raise CompilationError(f"compiled code could not be loaded: {error}") from error
        return LoadedCode(library, {s: library[s] for s in symbols})


def undefined_symbols(code: bytes) -> set[str]:
    """Names that an ELF object expects others to define; none for the object formats of other systems.

    Layout of headers and symbols: System V Application Binary Interface, chapters 4 and 5 (64-bit, little-endian).
    """
    if code[:6] != b"\x7fELF\x02\x01":
        return set()
    (table,), (count,) = struct.unpack_from("<Q", code, 0x28), struct.unpack_from("<H", code, 0x3C)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, table + 64 * i) for i in range(count)]
    found = set()
    for _, kind, _, _, start, size, link, _, _, _ in sections:
        if kind != _SYMBOL_TABLE:
            continue
        names = sections[link][4]
        for name, _, _, section, _, _ in struct.iter_unpack("<IBBHQQ", code[start : start + size]):
            if name and not section:
                found.add(code[names + name : code.index(b"\0", names + name)].decode())
    return found


@lru_cache(maxsize=8)
def _c_address(name: str) -> int:
    return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value or 0
