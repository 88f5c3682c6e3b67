"""How times grow: with the window, with the image, and with the number of threads.

The threads of most libraries are set once, when they are loaded. Each number of threads therefore has a process of its
own, `python -m benchmarks.curves NAME...`, which prints what it measured.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks import THREADS, THREADS_VARIABLE
from benchmarks.families import FAMILIES, Case
from benchmarks.grid import Member, measure_grid, measure_member, members, seconds_of
from benchmarks.harness import OURS, clock
from benchmarks.record import Curve, Row, tupled

WINDOWS = {
    ("correlate", "f32"): 101,
    ("mean", "f32"): 101,
    ("mean", "u8"): 101,
    ("Gaussian", "f32"): 101,
    ("maximum", "f32"): 101,
    ("median", "u8"): 101,
    ("median", "f32"): 101,
    ("std", "f32"): 101,
    ("max(w*k)", "f32"): 31,
    ("bilateral", "f32"): 31,
}
"""Family and kind -> the largest window."""
SIDES = (3, 5, 7, 9, 11, 15, 21, 31, 41, 51, 63, 81, 101)
IMAGES = (("correlate", "f32", 7), ("mean", "f32", 15), ("median", "u8", 5))
EXTENTS = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
THREADED = (
    "correlate f32 7x7",
    "correlate f32 15x15",
    "mean f32 15x15",
    "median u8 7x7",
    "std f32 5x5",
    "bilateral f32 5x5",
)
PATIENCE = 30.0
"""Seconds: who needs more for the full image is not asked about a larger window."""
LONGEST = 1.0
"""Seconds: who needs more is not asked about a larger image."""
PEERS = (OURS, "opencv", "halide", "numba", "scipy", "skimage")
SHARE = 8
"""The memory that is free is this many times the largest image that is measured."""


def member_of(name: str, kind: str, side: int) -> Member:
    return Member(next(family for family in FAMILIES if family.name == name), Case(kind, side))


def gathered(job: str, axis: str, points: Iterable[tuple[int, str, float, int]]) -> Iterator[Curve]:
    """Make a curve of each contestant from (x, contestant, seconds, pixels)."""
    by_name: dict[str, list[tuple[int, float, int]]] = {}
    for x, name, seconds, pixels in points:
        by_name.setdefault(name, []).append((x, seconds, pixels))
    for name, found in by_name.items():
        xs, seconds, pixels = zip(*found, strict=True)
        yield Curve(job, axis, name, xs, seconds, pixels)


def window_curves(size: int, repeat: int, sides: Sequence[int] = SIDES) -> Iterator[Curve]:
    for (name, kind), largest in WINDOWS.items():
        points, names = [], list(PEERS)
        for side in (side for side in sides if side <= largest):
            row = measure_member(member_of(name, kind, side), size, repeat, names)
            points += [(side, contestant, seconds, size * size) for contestant, seconds in row.best.items()]
            names = [contestant for contestant in names if row.best.get(contestant, 0.0) < PATIENCE]
        yield from gathered(f"{name} {kind}", "side", points)


def free_memory() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no MemAvailable in /proc/meminfo: this measurement needs Linux")


def image_curves(repeat: int, extents: Sequence[int] = EXTENTS) -> Iterator[Curve]:
    for name, kind, side in IMAGES:
        member = member_of(name, kind, side)
        job = member.job()
        names = [one for one in PEERS if one in job.contestants and one not in job.missing()]
        points = []
        for extent in extents:
            if extent**2 * member.case.dtype.itemsize * SHARE > free_memory():
                break
            for contestant in list(names):
                run = job.contestants[contestant](*job.inputs((extent, extent), np.random.default_rng(0)))
                seconds = min(seconds_of(run), clock(run))
                if seconds * repeat < LONGEST:
                    seconds = min(seconds, *(clock(run) for _ in range(repeat)))
                points.append((extent, contestant, seconds, extent**2))
                if seconds > LONGEST:
                    names.remove(contestant)
        yield from gathered(member.name, "extent", points)


def thread_curves(size: int, repeat: int, cores: int, names: Sequence[str] = THREADED) -> Iterator[Curve]:
    numbers = [number for number in (1, 2, 4, 8, 16, 32, 64) if number <= cores]
    points: dict[str, list[tuple[int, str, float, int]]] = {}
    for threads in numbers:
        for row in rows_with(threads, size, repeat, names):
            found = [(threads, contestant, seconds, size * size) for contestant, seconds in row.best.items()]
            points.setdefault(row.name, []).extend(found)
    for name, found in points.items():
        yield from gathered(name, "threads", found)


def rows_with(threads: int, size: int, repeat: int, names: Sequence[str]) -> list[Row]:
    """Measure rows of the grid in a process with this number of threads."""
    environment = {**os.environ, THREADS_VARIABLE: str(threads)}
    command = [sys.executable, "-m", "benchmarks.curves", str(size), str(repeat), *names]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1800)
    if result.returncode:
        lines = result.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"the process ended with {result.returncode}")
    return [Row(**tupled(values)) for values in json.loads(result.stdout.splitlines()[-1])]


def main(size: str, repeat: str, *names: str) -> None:
    """Measure with as many CPUs as threads: some libraries have no other way to be told."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    chosen = members(lambda name: name in names)
    print(json.dumps([asdict(row) for row in measure_grid(chosen, int(size), int(repeat))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
