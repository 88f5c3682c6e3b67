"""The tables, as text and as Markdown, each with the machine and the command that made the numbers."""

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import THREADS
from benchmarks.harness import OURS, Result, clock_copy
from benchmarks.latency import Latency
from benchmarks.memory import Peak

PACKAGES = (
    "kernelscape",
    "numpy",
    "scipy",
    "llvmlite",
    "opencv-python-headless",
    "halide",
    "numba",
    "pylops",
    "torch",
    "jax",
    "scikit-image",
    "astropy",
    "bottleneck",
)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def machine_lines() -> list[str]:
    bytes_copied, seconds = clock_copy()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f"load average {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else "load unknown"
    return [
        f"{processor()}, {cores} cores, {THREADS} threads each, {load}; {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version_of(name)}" for name in PACKAGES),
        f"copy of {bytes_copied / 1e6:.1f} MB into reused memory, one thread: {seconds * 1e3:.2f} ms",
        f"command: python -m benchmarks {' '.join(sys.argv[1:])}".rstrip(),
    ]


def cell(result: Result, name: str) -> str:
    if name in result.failures:
        return "failed" if name in result.job.contestants else ""
    if name not in result.timings:
        return "not installed" if name in result.job.missing() else ""
    timing = result.timings[name]
    return f"{'~' if timing.scaled else ''}{timing.best * 1e3:.2f} / {timing.median * 1e3:.2f}"


def agreement(result: Result) -> str:
    number = len(result.job.contestants) - len(result.job.missing())
    return "all agree" if not result.failures else f"{number - len(result.failures)} of {number}"


def comparison(result: Result) -> str:
    """Give how far ahead of the best peer we are, and how near to the limits."""
    peer = result.best_peer()
    ratio = result.ratio(peer) if peer else None
    parts = [f"{ratio:.2f}x ({peer})"] if ratio else []
    limits = {limit: result.ratio(limit) for limit in result.job.limits}
    parts += [f"{ratio:.0%} of the speed of {limit}" for limit, ratio in limits.items() if ratio]
    return "; ".join(parts) or "-"


def tables_of(results: Sequence[Result]) -> dict[str, list[list[str]]]:
    """Give the rows of each table by its heading; a table has a column for each contestant of its jobs."""
    headings = dict.fromkeys(result.job.table for result in results)
    return {heading: rows_of([result for result in results if result.job.table == heading]) for heading in headings}


def rows_of(results: Sequence[Result]) -> list[list[str]]:
    names = list(dict.fromkeys(name for result in results for name in result.job.contestants))
    rows = [["job", *(f"{name} ms" for name in names), "best peer / ours", "results", "goals"]]
    for result in results:
        goals = "; ".join(result.missed()) or ("reached" if OURS in result.timings else "-")
        cells = [cell(result, name) for name in names]
        rows.append([result.job.name, *cells, comparison(result), agreement(result), goals])
    return rows


def latency_rows(latencies: Sequence[Latency]) -> list[list[str]]:
    rows = [["what", "time", "slowest", "goal", ""]]
    for item in latencies:
        verdict = "" if item.goal is None else "reached" if item.median <= item.goal else "missed"
        goal = "" if item.goal is None else item.text(item.goal)
        rows.append([item.name, item.text(item.median), item.text(item.worst), goal, verdict])
    return rows


def peak_rows(peaks: Sequence[Peak]) -> list[list[str]]:
    rows = [["what", "arrays", "more than those", "goal", "seconds", "", "the array of all weights would be"]]
    for peak in peaks:
        numbers = [f"{size / 1e6:.0f} MB" for size in (peak.arrays, peak.extra, peak.goal)]
        verdict = "reached" if peak.extra <= peak.goal else "missed"
        rows.append([peak.name, *numbers, f"{peak.seconds:.1f}", verdict, f"{peak.dense / 1e9:.0f} GB"])
    return rows


def remarks(results: Sequence[Result]) -> list[str]:
    """What a reader of the numbers has to know: which variant won, what is scaled, who failed and why."""
    lines = ["Best / median of the runs, in milliseconds; `~` is scaled from a smaller image by the number of pixels."]
    for result in results:
        lines += [f"{result.job.name}: {name}: {text}" for name, text in result.job.notes.items()]
        lines += [f"{result.job.name}: {name} used {text}" for name, text in result.details.items()]
        for name, timing in result.timings.items():
            if timing.volume:
                pace = timing.volume / timing.best / 1e9
                lines.append(f"{result.job.name}: {name}: {timing.volume / 1e6:.0f} MB at {pace:.1f} GB/s")
        lines += [f"{result.job.name}: {name} FAILED: {text}" for name, text in result.failures.items()]
    return lines


def as_text(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def write_markdown(
    path: Path, results: Sequence[Result], latencies: Sequence[Latency], peaks: Sequence[Peak] = ()
) -> None:
    parts = [f"# Benchmark: {path.stem}", "\n".join(f"* {line}" for line in machine_lines())]
    for heading, rows in tables_of(results).items():
        parts += [f"## {heading}", as_markdown(rows)]
    if results:
        parts += ["## Remarks", "\n".join(f"* {line}" for line in remarks(results))]
    if peaks:
        parts += ["## Peak memory", as_markdown(peak_rows(peaks))]
    if latencies:
        parts += ["## Latency", as_markdown(latency_rows(latencies))]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    temporary.replace(path)
