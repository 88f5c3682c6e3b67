"""Machine code is made once per structure: across threads, across calls, and across processes through the disk.

What is counted are calls of the function that hands text to LLVM, so that "not compiled" means just that.
"""

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from kernelscape import cache
from kernelscape import expression as ex
from kernelscape.backends import compiled, cpu
from kernelscape.backends.emit import Loading, fill_text, kernel_text
from kernelscape.errors import CompilationError
from kernelscape.machine import X86_64, X86_64_V2, X86_64_V3
from tests.oracle.engine import plan_of, whole_numbers
from tests.oracle.jobs import WindowWords, binary, make_job, rank, total


@pytest.fixture
def compilations(monkeypatch):
    """A list that grows with each module that LLVM compiles; the memory of what was loaded is empty at first."""
    found = []
    real = cpu.compile_text

    def counted(text, target):
        found.append(text)
        return real(text, target)

    monkeypatch.setattr(compiled.cpu, "compile_text", counted)
    monkeypatch.setattr(compiled, "_loaded", type(compiled._loaded)())
    return found


def stage_of(seed, dtype=np.float32, size=3):
    """Give the stage of a function that no other test has: `seed` is one of its constants."""
    array = whole_numbers((20, 70), dtype)

    def function(w):
        return binary("add", total(w), ex.constant(seed, w.dtype))

    return plan_of(make_job(function, [array], [WindowWords(size=size)]), [array]).stage


def test_a_structure_is_compiled_once(compilations):
    first = compiled.kernel(stage_of(101), X86_64_V2, masked=False, checked=False)
    assert len(compilations) == 1
    second = compiled.kernel(stage_of(101), X86_64_V2, masked=False, checked=False)
    assert second is first
    assert len(compilations) == 1


def test_threads_that_want_the_same_code_wait_for_one_compilation(compilations):
    stage, gate, found = stage_of(102, size=5), threading.Barrier(8), []

    def work():
        gate.wait()
        found.append(compiled.kernel(stage, X86_64_V2, masked=False, checked=False))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(compilations) == 1
    assert len({id(code) for code in found}) == 1


def test_code_is_compiled_apart_for_everything_that_changes_it(compilations):
    stage = stage_of(103)
    variants = [
        compiled.kernel(stage, X86_64_V2, masked=False, checked=False),
        compiled.kernel(stage, X86_64_V2, masked=False, checked=True),
        compiled.kernel(stage, X86_64_V2, masked=True, checked=False),
        compiled.kernel(stage, X86_64, masked=False, checked=False),
        compiled.kernel(stage_of(104), X86_64_V2, masked=False, checked=False),
        compiled.kernel(stage_of(103, np.float64), X86_64_V2, masked=False, checked=False),
        compiled.kernel(stage_of(103, size=4), X86_64_V2, masked=False, checked=False),
    ]
    assert len({code.addresses["kernel"] for code in variants}) == len(variants) == len(compilations)


def test_rows_are_filled_by_code_of_their_own_dtypes(compilations):
    f4, i2, u1 = (np.dtype(d) for d in ("f4", "i2", "u1"))
    calls = [
        (X86_64_V2, Loading(i2, False, f4, f4), 1), (X86_64_V2, Loading(i2, True, f4, f4), 1),
        (X86_64_V2, Loading(u1, False, f4, f4), 1), (X86_64_V2, Loading(i2, False, u1, f4), 1),
        (X86_64, Loading(i2, False, f4, f4), 1), (X86_64_V2, Loading(i2, False, f4, f4), 2),
    ]  # fmt: skip
    codes = [compiled.fill(*call, checked=checked) for call in calls for checked in (False, True)]
    assert len({code.addresses["fill"] for code in codes}) == len(codes)
    assert [compiled.fill(*call, checked=c) for call in calls for c in (False, True)] == codes


def test_workers_are_shared(compilations):
    first = compiled.worker(X86_64_V2, checked=False)
    assert compiled.worker(X86_64_V2, checked=False) is first
    assert compiled.worker(X86_64_V2, checked=True) is not first


def test_a_failure_is_not_kept(compilations, monkeypatch):
    working = compiled.cpu.compile_text

    def failing(text, target):
        raise CompilationError("no memory left")

    monkeypatch.setattr(compiled.cpu, "compile_text", failing)
    for _ in range(2):
        with pytest.raises(CompilationError, match="no memory"):
            compiled.kernel(stage_of(105), X86_64_V2, masked=False, checked=False)
    monkeypatch.setattr(compiled.cpu, "compile_text", working)
    assert compiled.kernel(stage_of(105), X86_64_V2, masked=False, checked=False).addresses["kernel"]


def test_what_was_used_longest_ago_is_dropped(compilations, monkeypatch):
    monkeypatch.setattr(compiled, "_MOST_LOADED", 2)
    a, b = (compiled.kernel(stage_of(n), X86_64_V2, masked=False, checked=False) for n in (106, 107))
    assert compiled.kernel(stage_of(106), X86_64_V2, masked=False, checked=False) is a
    compiled.kernel(stage_of(108), X86_64_V2, masked=False, checked=False)
    assert compiled.kernel(stage_of(106), X86_64_V2, masked=False, checked=False) is a
    assert compiled.kernel(stage_of(107), X86_64_V2, masked=False, checked=False) is not b
    assert len(compilations) == 3, "an object that is loaded again is not compiled again"


def test_versions_and_sources_are_part_of_the_key(compilations, monkeypatch):
    kept = cache.fingerprint("other sources")
    compiled.kernel(stage_of(109), X86_64_V2, masked=False, checked=False)
    for name, other in (("_source_fingerprint", lambda: kept), ("cpu.versions", lambda: "llvmlite 99 LLVM 99.0.0")):
        monkeypatch.setattr(compiled, "_loaded", type(compiled._loaded)())
        before = len(compilations)
        owner, _, attribute = name.rpartition(".")
        monkeypatch.setattr(compiled.cpu if owner else compiled, attribute, other)
        compiled.kernel(stage_of(109), X86_64_V2, masked=False, checked=False)
        assert len(compilations) == before + 1, name


SECOND_PROCESS = """
    import sys
    import numpy as np
    import kernelscape as ks
    from kernelscape.backends import compiled

    count, real = 0, compiled.cpu.compile_text

    def counted(text, target):
        global count
        count += 1
        return real(text, target)

    compiled.cpu.compile_text = counted
    image = np.arange(400, dtype=np.float32).reshape(10, 40)
    result = ks.apply(lambda w: np.max(w) * 3 - np.sum(w[0]), image, size=3, mode="shrink")
    sys.stdout.write(f"{count} {result.tobytes().hex()}")
"""


def run_process(folder, seed):
    environment = {
        **os.environ, "KERNELSCAPE_CACHE_DIR": str(folder), "PYTHONHASHSEED": seed,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }  # fmt: skip
    command = [sys.executable, "-c", textwrap.dedent(SECOND_PROCESS)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    count, result = run.stdout.split()
    return int(count), result


def test_a_second_process_compiles_nothing(tmp_path):
    first, result = run_process(tmp_path, "1")
    assert first >= 3, "a kernel, its masked form, a worker at least"
    again, same = run_process(tmp_path, "2")
    assert again == 0
    assert same == result


def test_emitting_is_deterministic():
    """Text depends on the structure alone: not on the identity of nodes, nor on what was emitted before."""
    junk, array = [], whole_numbers((20, 70))

    def function(w):
        valid = ex.cast(total(ex.cast(ex.valid(w), ex.INT64)), w.dtype)
        return total(w), valid, rank(w, 2), binary("multiply", total(w), ex.pick(ex.pick(w, 0, 0), 0, 0))

    texts = set()
    for turn in range(25):
        plan = plan_of(make_job(function, [array], [WindowWords(size=(4, 3), mode="shrink")], min_count=5), [array])
        junk.append([bytearray(16 * n) for n in range(turn)])
        texts.add(kernel_text(plan.masked_stage, X86_64_V3, masked=True, checked=False))
    assert len(texts) == 1
    i2, f4 = np.dtype("i2"), np.dtype("f4")
    assert fill_text(X86_64, Loading(i2, True, f4, f4), checked=True) == fill_text(
        X86_64, Loading(i2, True, f4, f4), checked=True
    )
