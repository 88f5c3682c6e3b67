"""The tables, as text and as Markdown, each with the machine and the command that made the numbers."""

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks import THREADS
from benchmarks.harness import OURS, Result, clock_copy
from benchmarks.latency import Latency

PACKAGES = ("kernelscape", "numpy", "scipy", "llvmlite", "opencv-python-headless", "halide")


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine_lines() -> list[str]:
    bytes_copied, seconds = clock_copy()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f"load average {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else "load unknown"
    return [
        f"{processor()}, {cores} cores, {THREADS} threads each, {load}; {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        f"copy of {bytes_copied / 1e6:.1f} MB into reused memory, one thread: {seconds * 1e3:.2f} ms",
        f"command: python -m benchmarks {' '.join(sys.argv[1:])}".rstrip(),
    ]


def cell(result: Result, name: str) -> str:
    if name in result.failures:
        return "failed" if name in result.job.contestants else ""
    if name not in result.timings:
        return ""
    timing = result.timings[name]
    return f"{'~' if timing.scaled else ''}{timing.best * 1e3:.2f} / {timing.median * 1e3:.2f}"


def agreement(result: Result) -> str:
    right = len(result.job.contestants) - len(result.failures)
    return "all agree" if not result.failures else f"{right} of {len(result.job.contestants)}"


def rows_of(results: Sequence[Result]) -> list[list[str]]:
    names = list(dict.fromkeys(name for result in results for name in result.job.contestants))
    rows = [["job", *(f"{name} ms" for name in names), "best peer / ours", "results", "goals"]]
    for result in results:
        peer = result.best_peer()
        ratio = result.ratio(peer) if peer else None
        comparison = f"{ratio:.2f}x ({peer})" if ratio else "-"
        goals = "; ".join(result.missed()) or ("reached" if OURS in result.timings else "-")
        rows.append([result.job.name, *(cell(result, name) for name in names), comparison, agreement(result), goals])
    return rows


def latency_rows(latencies: Sequence[Latency]) -> list[list[str]]:
    rows = [["what", "time", "slowest", "goal", ""]]
    for item in latencies:
        verdict = "" if item.goal is None else "reached" if item.median <= item.goal else "missed"
        goal = "" if item.goal is None else item.text(item.goal)
        rows.append([item.name, item.text(item.median), item.text(item.worst), goal, verdict])
    return rows


def remarks(results: Sequence[Result]) -> list[str]:
    """What a reader of the numbers has to know: which variant won, what is scaled, who failed and why."""
    lines = ["Best / median of the runs, in milliseconds; `~` is scaled from a smaller image by the number of pixels."]
    for result in results:
        lines += [f"{result.job.name}: {name}: {text}" for name, text in result.job.notes.items()]
        lines += [f"{result.job.name}: {name} used {text}" for name, text in result.details.items()]
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


def write_markdown(path: Path, results: Sequence[Result], latencies: Sequence[Latency]) -> None:
    parts = [f"# Benchmark: {path.stem}", "\n".join(f"* {line}" for line in machine_lines())]
    if results:
        parts += [as_markdown(rows_of(results)), "\n".join(f"* {line}" for line in remarks(results))]
    if latencies:
        parts += ["## Latency", as_markdown(latency_rows(latencies))]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    temporary.replace(path)
