"""How much memory a kernel for every pixel takes: each number from a process of its own, counted by the system.

A process makes its arrays, touches all of their pages, notes what it occupies, does the work once, and asks for its
peak. What the peak exceeds that note by, less the output, is what the work took for itself: machine code and its
compiler included, because the first call of the process is the one that is measured.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import THREADS

MEMORY = "fields: peak memory"
EXTENT = 8192
SIDE = 31
ALLOWED = 256_000_000

# name -> the call; `image` and `sigma` are arrays, sigma at most 3.75: four sigmas are 15 pixels
CALLS = {
    "sigma map, windows 31x31": "ks.correlate(image, ks.kernels.Gaussian(sigma, size=31), workers=threads)",
    "sigma map, windows to match": "ks.correlate(image, ks.kernels.Gaussian(sigma), workers=threads)",
    "sigma map, windows 31x31, scattered": (
        "ks.convolve(image, ks.kernels.Gaussian(sigma, size=31), form='scatter', mode='constant', workers=threads)"
    ),
}

# `VmHWM` is the peak of this process's memory. `ru_maxrss` would be the same, but a process inherits it from the one
# that started it: a benchmark that holds gigabytes would hand them on.
SCRIPT = """
import json, math, sys, time
import numpy as np
import kernelscape as ks

extent, threads = int(sys.argv[1]), int(sys.argv[2])

def occupied(word):
    for line in open("/proc/self/status"):
        if line.startswith(word):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {{word}} in /proc/self/status: this measurement needs Linux")

image, sigma = np.empty((extent, extent), np.float32), np.empty((extent, extent), np.float32)
rng = np.random.default_rng(0)
waves = np.cos(np.arange(extent) * (9 / extent))
for y in range(extent):
    rng.random(out=image[y], dtype=np.float32)
    sigma[y] = 2.25 + 1.5 * math.sin(y * (7 / extent)) * waves

before = occupied("VmRSS")
start = time.perf_counter()
result = {call}
seconds = time.perf_counter() - start
peak = occupied("VmHWM")

{check}
inputs = image.nbytes + sigma.nbytes
print(json.dumps(dict(before=before, peak=peak, output=result.nbytes, inputs=inputs, seconds=seconds)))
"""

# Samples of the output, in float64, by the definition; away from the border, which is another test's business.
CHECK = """
def kernel_at(y, x, radius):
    square = (np.arange(-radius, radius + 1) / float(sigma[y, x])) ** 2
    weights = np.exp(-0.5 * (square[:, None] + square))
    return weights / weights.sum()

def radius_at(y, x):
    return {radius}

def gathered(y, x):
    r = radius_at(y, x)
    return np.sum(kernel_at(y, x, r) * image[y - r : y + r + 1, x - r : x + r + 1])

def scattered(y, x):
    total = 0.0
    for dy in range(-15, 16):
        for dx in range(-15, 16):
            r = radius_at(y - dy, x - dx)
            if max(abs(dy), abs(dx)) <= r:
                total += kernel_at(y - dy, x - dx, r)[r + dy, r + dx] * image[y - dy, x - dx]
    return total

for y, x in rng.integers(31, extent - 31, (12, 2)):
    expected = {form}(y, x)
    if not abs(result[y, x] - expected) <= 2e-6:
        raise RuntimeError(f"at {{y}}, {{x}}: expected {{expected}}, got {{result[y, x]}}")
"""


@dataclass(frozen=True)
class Peak:
    """Bytes: of inputs and output, of what was taken beyond them and what may be, and of the weights as one array."""

    name: str
    arrays: int
    extra: int
    goal: int
    dense: int
    seconds: float


def script_of(call: str) -> str:
    radius = "15" if "size=31" in call else "int(4 * float(sigma[y, x]) + 0.5)"
    check = CHECK.format(radius=radius, form="scattered" if "scatter" in call else "gathered")
    return SCRIPT.format(call=call, check=check)


def run_script(code: str, extent: int) -> dict[str, float]:
    """Run in a fresh process, with an empty cache directory; the process's last line if it fails."""
    with tempfile.TemporaryDirectory(prefix="kernelscape-benchmark-") as folder:
        environment = {**os.environ, "KERNELSCAPE_CACHE_DIR": folder}
        command = [sys.executable, "-c", code, str(extent), str(THREADS)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
    if result.returncode:
        lines = result.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"the process ended with {result.returncode}")
    return json.loads(result.stdout)


def peak_of(name: str, numbers: dict[str, float], extent: int) -> Peak:
    """From what a process said; the output did not exist yet when it noted what it occupied."""
    return Peak(
        name=name,
        arrays=int(numbers["inputs"] + numbers["output"]),
        extra=int(numbers["peak"] - numbers["before"] - numbers["output"]),
        goal=ALLOWED,
        dense=extent * extent * SIDE * SIDE * 4,
        seconds=numbers["seconds"],
    )


def measure_peaks(extent: int = EXTENT) -> Iterator[Peak]:
    for name, call in CALLS.items():
        yield peak_of(f"{name}, {extent}x{extent}", run_script(script_of(call), extent), extent)
