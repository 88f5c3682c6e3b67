"""Machine code by structure: what an executable needs, compiled once per structure and process, and kept on disk.

A key holds everything that the code depends on: the stage's structure, the target, the versions of llvmlite and LLVM,
whether it is a checked build, and a fingerprint of the emitter's own source. The text of the code is only written on a
miss.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from kernelscape import cache
from kernelscape.backends import cpu
from kernelscape.backends.cpu import LoadedCode
from kernelscape.backends.driver import worker_text
from kernelscape.backends.emit import (
    Loading,
    Phases,
    Run,
    fill_text,
    gather_text,
    kernel_text,
    phases_text,
    planes_text,
)
from kernelscape.backends.point_driver import points_text
from kernelscape.backends.survey import survey_text
from kernelscape.loops import Stage
from kernelscape.machine import Target

_MOST_LOADED = 1024
_loaded: OrderedDict[tuple[object, ...], LoadedCode] = OrderedDict()
_lock = threading.Lock()
os.register_at_fork(after_in_child=lambda: globals().update(_lock=threading.Lock()))


def kernel(stage: Stage, target: Target, *, masked: bool, checked: bool) -> LoadedCode:
    """The kernel of a stage."""
    return _code(
        ("kernel", stage.key, target, masked, checked),
        lambda: kernel_text(stage, target, masked=masked, checked=checked),
        target,
    )


def compiling_seconds(stage: Stage, target: Target, *, masked: bool) -> float:
    """How long it takes to write and compile the kernel of a stage, whether it is there already or not."""
    start = time.perf_counter()
    cpu.compile_text(kernel_text(stage, target, masked=masked, checked=False), target)
    return time.perf_counter() - start


def fill(target: Target, loading: Loading, step: int, *, checked: bool) -> LoadedCode:
    """The function that fills rows from samples that lie `step` elements apart, or elsewhere."""
    return _code(
        ("fill", target, *loading.key, step, checked),
        lambda: fill_text(target, loading, step=step, checked=checked),
        target,
    )


def phases(target: Target, loading: Loading, phases: Phases, *, checked: bool) -> LoadedCode:
    """The function that takes strided rows apart."""
    return _code(
        ("phases", target, *loading.key, phases, checked),
        lambda: phases_text(target, loading, phases, checked=checked),
        target,
    )


def planes(target: Target, itemsize: int, planes: int, *, checked: bool) -> LoadedCode:
    """The function that gives each element of the arrays at the positions of a row a row of its own."""
    return _code(
        ("planes", target, itemsize, planes, checked),
        lambda: planes_text(target, itemsize, planes, checked=checked),
        target,
    )


def gather(target: Target, loading: Loading, run: Run, *, checked: bool) -> LoadedCode:
    """The function that brings windows together which lie anywhere in an array."""
    return _code(
        ("gather", target, *loading.key, run, checked),
        lambda: gather_text(target, loading, run, checked=checked),
        target,
    )


def points(target: Target, *, checked: bool) -> LoadedCode:
    """The native worker for single points, the same for all stages."""
    return _code(("points", target, checked), lambda: points_text(target, checked=checked), target)


def survey(target: Target, *, checked: bool) -> LoadedCode:
    """The native worker that goes over a mask once, the same for all stages."""
    return _code(("survey", target, checked), lambda: survey_text(target, checked=checked), target)


def worker(target: Target, *, checked: bool) -> LoadedCode:
    """The native worker, the same for all stages."""
    return _code(("worker", target, checked), lambda: worker_text(target, checked=checked), target)


def _code(key: tuple[object, ...], text: Callable[[], str], target: Target) -> LoadedCode:
    with _lock:
        found = _loaded.get(key)
        if found is not None:
            _loaded.move_to_end(key)
            return found
    symbol = str(key[0])
    identity = cache.fingerprint(repr(key), cpu.versions(), _source_fingerprint())
    code = cache.object_code(identity, lambda: cpu.compile_text(text(), target))
    loaded = cpu.load_object(code, (symbol,))
    with _lock:
        found = _loaded.setdefault(key, loaded)
        if len(_loaded) > _MOST_LOADED:
            _loaded.popitem(last=False)
    return found


@functools.lru_cache(maxsize=1)
def _source_fingerprint() -> str:
    """All source that has a part in the text of generated code."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parts: list[str | bytes] = []
    for folder in ("backends", "networks", "reductions", "."):
        for root, folders, files in os.walk(os.path.join(package, folder)):
            folders.sort()
            if folder == ".":
                folders.clear()
            for name in sorted(files):
                if name.endswith(".py"):
                    with open(os.path.join(root, name), "rb") as file:
                        parts.append(file.read())
    return cache.fingerprint(*parts)
