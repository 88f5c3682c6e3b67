"""What a user waits for besides the work itself: import, first call, and the overhead of a call on a small image.

Each number comes from a process of its own, because the first call of a process can be made only once; every process
has a cache directory that is empty unless the measurement is about a full one.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROCESSES = 5

# Five functions of different structure: each is new to the process, and to the cache, when it is called.
FUNCTIONS = """
functions = [
    lambda w: np.std(w),
    lambda w: np.sum(np.abs(w - w[2, 2])),
    lambda w: np.max(w) - np.min(w),
    lambda w: np.sqrt(np.mean(w * w)),
    lambda w: np.sum(w * np.exp(-((w - w[2, 2]) ** 2))),
]
"""

PRELUDE = """
import json, sys, time
clock = time.perf_counter
start = clock()
import numpy as np
numpy_done = clock()
import kernelscape as ks
done = clock()
image = np.random.default_rng(0).random((64, 64), dtype=np.float32)
output = np.empty_like(image)
"""

IMPORT = (
    PRELUDE
    + """
assert "llvmlite" not in sys.modules and "scipy" not in sys.modules
whole, alone = done - start, done - numpy_done
print(json.dumps({"import kernelscape, NumPy included": whole, "import kernelscape after NumPy": alone}))
"""
)

# The call with all it loads (llvmlite in a fresh process), and the whole from before the imports.
FRESH = (
    PRELUDE
    + """
before = clock()
result = ks.apply(lambda w: np.std(w), image, size=5)
after = clock()
padded = np.pad(image, 2, mode="symmetric")
windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
np.testing.assert_allclose(result, windows.std(axis=(2, 3)), rtol=1e-5)
print(json.dumps({"call": after - before, "with imports": after - start}))
"""
)

RUNNING = (
    PRELUDE
    + FUNCTIONS
    + """
ks.apply(lambda w: np.sum(w), image, size=3)
times = []
for function in functions:
    before = clock()
    ks.apply(function, image, size=5)
    times.append(clock() - before)
print(json.dumps({"call": times}))
"""
)

REPEATED = (
    PRELUDE
    + """
number = int(sys.argv[1])
function = lambda w: np.std(w)
stencil = ks.stencil(function, size=5)
def best(call):
    for _ in range(number // 10 + 1):
        call()
    groups = []
    for _ in range(10):
        before = clock()
        for _ in range(number):
            call()
        groups.append((clock() - before) / number)
    return sorted(groups)
print(json.dumps({
    "stencil object": best(lambda: stencil(image)),
    "ks.apply, same function": best(lambda: ks.apply(function, image, size=5)),
    "ks.apply, lambda made anew": best(lambda: ks.apply(lambda w: np.std(w), image, size=5)),
}))
"""
)


@dataclass(frozen=True)
class Latency:
    """A waiting time in seconds: median and worst of several, and what we aim at."""

    name: str
    median: float
    worst: float
    goal: float | None = None

    def text(self, seconds: float) -> str:
        return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"


def run_process(code: str, cache: Path, *arguments: str) -> dict[str, float | list[float]]:
    environment = {**os.environ, "KERNELSCAPE_CACHE_DIR": str(cache)}
    # Python compiles sources once and keeps the bytecode, unless told otherwise: timed is a program's second run.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    if result.returncode:
        lines = result.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"the process ended with {result.returncode}")
    return json.loads(result.stdout)


def collect(code: str, processes: int, *arguments: str, kept: Path | None = None) -> dict[str, list[float]]:
    """Run the code in several processes, each with an empty cache directory unless `kept` is one to share."""
    samples: dict[str, list[float]] = {}
    for _ in range(processes):
        with tempfile.TemporaryDirectory(prefix="kernelscape-benchmark-") as folder:
            for key, value in run_process(code, kept or Path(folder) / "cache", *arguments).items():
                samples.setdefault(key, []).extend(value if isinstance(value, list) else [value])
    return samples


def row(name: str, samples: list[float], goal: float | None = None) -> Latency:
    return Latency(name, statistics.median(samples), max(samples), goal)


def measure_latencies(processes: int = PROCESSES, calls: int = 300) -> Iterator[Latency]:
    imports = collect(IMPORT, processes)
    for (name, samples), goal in zip(imports.items(), (0.15, None), strict=True):
        yield row(name, samples, goal)
    yield row("first call of a new 5x5 function, running process", collect(RUNNING, processes)["call"], 0.1)
    fresh = collect(FRESH, processes)
    yield row("first call, fresh process, empty cache (llvmlite's import included)", fresh["call"], 0.25)
    yield row("  the same with the imports of NumPy and Kernelscape", fresh["with imports"])
    with tempfile.TemporaryDirectory(prefix="kernelscape-benchmark-") as folder:
        kept = Path(folder) / "cache"
        run_process(FRESH, kept)
        cached = collect(FRESH, processes, kept=kept)
    yield row("first call, fresh process, compiled object on disk", cached["call"], 0.15)
    yield row("  the same with the imports of NumPy and Kernelscape", cached["with imports"])
    repeated = collect(REPEATED, max(1, processes // 2), str(calls))
    for (name, samples), goal in zip(repeated.items(), (40e-6, 40e-6, 400e-6), strict=True):
        yield row(f"repeated call, 64x64: {name}", samples, goal)
