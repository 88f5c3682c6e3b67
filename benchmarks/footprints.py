"""How much memory a filter takes beyond its input and its output: one call in a process of its own, at the peak.

`python -m benchmarks.footprints NAME CONTESTANT EXTENT` makes the input, runs a small image first, so that what a
package loads or compiles once is not counted, sets the system's record of the peak back, and filters the large image.
"""

import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.grid import SAMPLE, members
from benchmarks.harness import OURS
from benchmarks.record import Footprint

EXTENT = 4096
JOBS = ("correlate f32 7x7", "median u8 7x7", "std f32 5x5", "maximum f32 7x7")
CONTESTANTS = (OURS, "opencv", "scipy", "skimage", "numba", "halide", "torch", "jax")
TOO_SLOW = {("median u8 7x7", "scipy"), ("std f32 5x5", "scipy")}
"""What would take half a minute and more."""


def occupied(word: str) -> int:
    """Bytes of this process: "VmRSS" now, "VmHWM" at the peak."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(word):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {word} in /proc/self/status: this measurement needs Linux")


def measure_here(name: str, contestant: str, extent: int) -> Footprint:
    """Measure in this process, which should have done nothing else."""
    job = members(lambda one: one == name)[0].job()
    small = job.inputs((min(SAMPLE, extent),) * 2, np.random.default_rng(0))
    job.contestants[contestant](*small)()
    arrays = job.inputs((extent, extent), np.random.default_rng(0))
    gc.collect()
    before = occupied("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    output = job.contestants[contestant](*arrays)()
    extra = occupied("VmHWM") - before - output.nbytes
    return Footprint(name, contestant, extent, arrays[0].nbytes, max(extra, 0))


def measure_footprints(extent: int = EXTENT) -> Iterator[Footprint]:
    for name in JOBS:
        job = members(lambda one, name=name: one == name)[0].job()
        for contestant in CONTESTANTS:
            if contestant not in job.contestants or contestant in job.missing() or (name, contestant) in TOO_SLOW:
                continue
            yield measure_apart(name, contestant, extent)


def measure_apart(name: str, contestant: str, extent: int) -> Footprint:
    command = [sys.executable, "-m", "benchmarks.footprints", name, contestant, str(extent)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if result.returncode:
        lines = result.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"the process ended with {result.returncode}")
    return Footprint(**json.loads(result.stdout.splitlines()[-1]))


if __name__ == "__main__":
    found = measure_here(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    print(json.dumps(vars(found)))
