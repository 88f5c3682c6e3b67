"""The command `python -m benchmarks`: measure, or with `--check` only compare results.

Without further options it measures the jobs of `jobs.py`, peak memory and latency; `--grid` measures the grid of the
families, `--page` everything that the page of the documentation tells.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.footprints import measure_apart
from benchmarks.grid import CHECKED_SIDES, check_members, members
from benchmarks.harness import OURS, Result, check_job, describe, measure_job
from benchmarks.jobs import JOBS
from benchmarks.latency import Latency, measure_latencies
from benchmarks.memory import MEMORY, Peak, measure_peaks
from benchmarks.public import PARTS, Request, check_planner, run
from benchmarks.report import as_text, latency_rows, machine_lines, peak_rows, remarks, tables_of, write_markdown
from benchmarks.waits import measure_waits


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Kernelscape beside its peers.")
    parser.add_argument("--size", type=int, default=2048, help="extent of the square images (default: 2048)")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="jobs whose name contains this; may be repeated"
    )
    parser.add_argument("--repeat", type=int, default=15, metavar="N", help="runs that are timed (default: 15)")
    parser.add_argument("--check", action="store_true", help="compare results on small images; take no times")
    parser.add_argument("--output", type=Path, metavar="FILE.md", help="write the tables as Markdown, too")
    parser.add_argument("--list", action="store_true", help="print the names of the jobs, or of the rows of --grid")
    parser.add_argument("--grid", action="store_true", help="measure the grid: every family, dtype and window size")
    parser.add_argument(
        "--planner", action="store_true", help="of the grid, compare the planner's choice with all methods"
    )
    parser.add_argument("--quick", action="store_true", help="of the grid, a few dtypes and sizes only")
    parser.add_argument(
        "--part", action="append", choices=PARTS, help="measure this part of the page only; may be repeated"
    )
    parser.add_argument("--record", type=Path, metavar="FILE.json", help="keep what --grid and --page measure")
    parser.add_argument("--page", type=Path, metavar="FILE.md", help="measure all parts; write the page and its plots")
    parser.add_argument("--render", action="store_true", help="write --page from --record, without measuring")
    options = parser.parse_args(arguments)
    if options.render and not (options.page and options.record and options.record.is_file()):
        parser.error("--render: expected --page FILE.md and --record FILE.json with a file that exists")
    if options.size < 64:
        parser.error(f"--size: expected at least 64, given {options.size}: whole tiles of every peer have to fit")
    if options.repeat < 1:
        parser.error(f"--repeat: expected at least 1, given {options.repeat}")
    return options


def request_of(options: argparse.Namespace) -> Request:
    """What the public benchmark has to do."""
    parts = [] if options.render else options.part or (["grid"] if options.grid or not options.page else PARTS)
    return Request(
        parts=parts,
        size=options.size,
        repeat=options.repeat,
        quick=options.quick,
        wanted=lambda name: is_wanted(name, options.only),
        record=options.record,
        page=options.page,
    )


LATENCY = "latency"


def is_wanted(name: str, only: Sequence[str] | None) -> bool:
    return not only or any(part.lower() in name.lower() for part in only)


def check_grid(only: Sequence[str] | None) -> int:
    """Compare the members of the grid with a small window; give the number of contestants that failed."""
    failed = 0
    for name, failures, seconds in check_members(members(lambda name: is_wanted(name, only), sides=CHECKED_SIDES)):
        texts = [f"{contestant} FAILED: {text}" for contestant, text in failures.items()] or ["all agree"]
        print(f"{name}: {'; '.join(texts)} ({seconds:.1f} s)", flush=True)
        failed += len(failures)
    return failed


def check(only: Sequence[str] | None) -> int:
    """Compare everything; give the number of contestants that failed."""
    failed = check_grid(only)
    for job in (job for job in JOBS if is_wanted(job.name, only)):
        start = time.perf_counter()
        failures = check_job(job)
        texts = [f"{name} FAILED: {text}" for name, text in failures.items()] or ["all agree"]
        verdict = "; ".join([*texts, *(f"{name} not installed" for name in job.missing())])
        print(f"{job.name}: {', '.join(job.contestants)}: {verdict} ({time.perf_counter() - start:.1f} s)", flush=True)
        failed += len(failures)
    return failed + check_processes(only)


def check_processes(only: Sequence[str] | None) -> int:
    """Run what has processes of its own, on small images; give the number that failed."""
    measurements: dict[str, Callable[[], Iterable[object]]] = {
        MEMORY: lambda: measure_peaks(extent=256),
        LATENCY: lambda: measure_latencies(processes=1, calls=1),
        "waits": lambda: measure_waits(1, 1, packages=("kernelscape", "opencv", "scipy")),
        "peak memory": lambda: [measure_apart("correlate f32 7x7", OURS, 256)],
    }
    failed = 0
    for name, measured in measurements.items():
        if not is_wanted(name, only):
            continue
        try:
            print(f"{name}: {len(list(measured()))} measurements run, with right results", flush=True)
        except (RuntimeError, OSError) as error:
            print(f"{name} FAILED: {describe(error)}", flush=True)
            failed += 1
    return failed


def measure(options: argparse.Namespace) -> int:
    results: list[Result] = []
    for job in (job for job in JOBS if is_wanted(job.name, options.only)):
        print(f"... {job.name}", file=sys.stderr, flush=True)
        results.append(measure_job(job, options.size, options.repeat))
    latencies: list[Latency] = []
    peaks: list[Peak] = []
    failed = sum(len(result.failures) for result in results)
    if is_wanted(MEMORY, options.only):
        try:
            peaks.extend(measure_peaks())
        except (RuntimeError, OSError) as error:
            print(f"{MEMORY} FAILED: {describe(error)}")
            failed += 1
    if is_wanted(LATENCY, options.only):
        try:
            latencies.extend(measure_latencies())
        except (RuntimeError, OSError) as error:
            print(f"{LATENCY} FAILED: {describe(error)}")
            failed += 1
    print("\n".join(machine_lines()), end="\n\n")
    for heading, rows in tables_of(results).items():
        print(heading, as_text(rows), sep="\n", end="\n\n")
    if results:
        print(*remarks(results), sep="\n", end="\n\n")
    if peaks:
        print(as_text(peak_rows(peaks)), end="\n\n")
    if latencies:
        print(as_text(latency_rows(latencies)))
    if options.output:
        write_markdown(options.output, results, latencies, peaks)
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    if options.list:
        of_grid = [member.name for member in members()] if options.grid else []
        print(*(of_grid or (job.name for job in JOBS)), *([] if of_grid else [MEMORY, LATENCY]), sep="\n")
        return 0
    if options.check:
        return 1 if check(options.only) else 0
    if options.planner:
        return 1 if check_planner(request_of(options)) else 0
    if options.grid or options.part or options.page:
        return 1 if run(request_of(options)) else 0
    return 1 if measure(options) else 0


if __name__ == "__main__":
    sys.exit(main())
