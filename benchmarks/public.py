"""The public benchmark: measures the parts one after the other, keeps them in a record, and writes the page.

The parts are the grid, the curves over windows, images and threads, what users wait for, peak memory, and the jobs that
are no part of the grid.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import planner
from benchmarks.curves import image_curves, thread_curves, window_curves
from benchmarks.footprints import measure_footprints
from benchmarks.goals import goal_table
from benchmarks.grid import QUICK_KINDS, QUICK_SIDES, Member, measure_grid, members
from benchmarks.harness import measure_job
from benchmarks.jobs import IN_GRID, JOBS
from benchmarks.latency import measure_latencies
from benchmarks.machine import limits
from benchmarks.memory import MEMORY, measure_peaks
from benchmarks.page import behind_table, family_table, grid_table, summary_lines, write_page
from benchmarks.record import Record, Row, load, save
from benchmarks.report import as_text, comparison, latency_rows, machine_lines, peak_rows, remarks, tables_of
from benchmarks.waits import measure_waits

PARTS = ("grid", "windows", "images", "threads", "waits", "memory", "jobs")
AXES = {"windows": "side", "images": "extent", "threads": "threads"}
CURVE_REPEAT = 5
LARGEST_WINDOW_IMAGE = 2048


@dataclass(frozen=True)
class Request:
    """What a user asks for: parts, the size of images, runs, and which rows."""

    parts: Sequence[str]
    size: int
    repeat: int
    quick: bool
    wanted: Callable[[str], bool]
    record: Path | None = None
    page: Path | None = None


def chosen_members(quick: bool, wanted: Callable[[str], bool]) -> list[Member]:
    return members(wanted, QUICK_KINDS, QUICK_SIDES) if quick else members(wanted)


def line_of(row: Row) -> str:
    """A row as it is told while others are being measured."""
    times = ", ".join(f"{name} {'~' if name in row.scaled else ''}{row.best[name] * 1e3:.3g}" for name in row.best)
    ratio = "     -" if row.ratio is None else f"{row.ratio:6.2f}"
    wrong = "".join(f"; {name} FAILED: {text}" for name, text in row.failures.items())
    return f"{row.name:28} {ratio}x {row.peer or 'no peer':12} {times} ms; compile {row.compile * 1e3:.0f} ms{wrong}"


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure_part(part: str, request: Request, record: Record, keep: Callable[[], None]) -> None:
    """Measure one part and put it in the record, in place of what was there; `keep` is called now and then."""
    repeat = min(request.repeat, CURVE_REPEAT)
    size = min(request.size, LARGEST_WINDOW_IMAGE)
    if part == "grid":
        record.rows, record.size = [], request.size
        for row in measure_grid(chosen_members(request.quick, request.wanted), request.size, request.repeat):
            print(line_of(row), flush=True)
            record.rows.append(row)
            keep()
    elif part in AXES:
        record.curves = [curve for curve in record.curves if curve.axis != AXES[part]]
        makers = {
            "windows": lambda: window_curves(size, repeat),
            "images": lambda: image_curves(repeat),
            "threads": lambda: thread_curves(size, repeat, cores()),
        }
        for curve in makers[part]():
            print(f"{curve.job}, {curve.contestant}: {len(curve.xs)} points over {curve.axis}", flush=True)
            record.curves.append(curve)
            keep()
    elif part == "waits":
        record.waits = list(measure_waits())
    elif part == "memory":
        record.footprints = list(measure_footprints())
    else:
        measure_jobs(request, record)


def measure_jobs(request: Request, record: Record) -> None:
    """Measure the jobs that are no part of the grid, above all those with a kernel for every pixel."""
    results = []
    for job in JOBS:
        if job.table != IN_GRID and request.wanted(job.name):
            results.append(measure_job(job, request.size, request.repeat))
            print(f"{job.name}: {comparison(results[-1])}", flush=True)
    record.tables, record.remarks = tables_of(results), remarks(results)
    if request.wanted(MEMORY):
        record.tables["Memory that a kernel for every pixel takes"] = peak_rows(list(measure_peaks()))
    if request.wanted("latency"):
        record.tables["What a user of Kernelscape waits for"] = latency_rows(list(measure_latencies()))


def run(request: Request) -> int:
    """Measure, tell, keep, write; give the number of contestants with wrong results."""
    record = load(request.record) if request.record and request.record.is_file() else Record()

    def keep() -> None:
        if request.record:
            save(record, request.record)

    if request.parts:
        record.limits = limits()
    for part in request.parts:
        start = time.perf_counter()
        measure_part(part, request, record, keep)
        record.machine = machine_lines()
        keep()
        print(f"... {part}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    if "grid" in request.parts:
        print_grid(record)
    if request.page:
        name = request.page.as_posix()
        write_page(record, request.page, f"python -m benchmarks --page {name}")
    return sum(len(row.failures) for row in record.rows)


def check_planner(request: Request) -> int:
    """Tell how good the planner's choices are; give the number of bad ones."""
    verdicts = []
    for verdict in planner.judge_all(chosen_members(request.quick, request.wanted), request.size, request.repeat):
        print(planner.line_of(verdict), flush=True)
        verdicts.append(verdict)
    bad = [verdict for verdict in verdicts if verdict.is_bad]
    print("", *machine_lines(), "", sep="\n")
    print(
        f"{len(verdicts) - len(bad)} of {len(verdicts)} choices take at most {planner.ALLOWED} times what the best "
        "method takes"
    )
    return len(bad)


def print_grid(record: Record) -> None:
    print("", *record.machine, sep="\n")
    for family in dict.fromkeys(row.family for row in record.rows):
        rows = [row for row in record.rows if row.family == family]
        print("", as_text(grid_table(rows, record)), sep="\n")
    print("", as_text(family_table(record.rows)), sep="\n")
    print("", as_text(goal_table(record.rows, record.limits)), sep="\n")
    behind = behind_table(record.rows, record)
    if len(behind) > 1:
        print("", "where a peer wins:", as_text(behind), sep="\n")
    print("", *summary_lines(record.rows), sep="\n")
