"""The page of the documentation: what was measured, in words, tables and plots. It is made from a record alone."""

import os.path
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import THREADS
from benchmarks.goals import goal_table
from benchmarks.harness import OURS
from benchmarks.plots import write_plots
from benchmarks.record import COMPILE_GOAL, Footprint, Record, Row, Wait, geometric_mean
from benchmarks.report import as_markdown

OPENING = """\
# Benchmarks

Kernelscape beside the packages that people use for the same jobs today, each set up as its users would at its best:
the same number of threads for everybody, outputs of the same dtype and allocated beforehand where the package has a way
to take one, compiled pipelines kept, everything warmed up. All results were compared before they were timed. Within a
row the packages took turns, so that a busy moment of the machine hit all of them; times are the best of several.

This page is written by a program: `{command}`."""

BUSY = THREADS + 0.5
"""The load average from which on others used the machine, too."""

READING = """\
* *ratio* is the best peer's time divided by ours. `~` marks a time that was taken on a smaller image and scaled by the
  number of pixels, `°` that of a package that uses one thread for this job, whatever it is told.
* *copy* is the time of copying as many bytes, in reused memory, divided by ours; *FMA* is the time that multiplying and
  adding would take in registers alone, divided by ours. *compile* is the processor time that our first call took more
  than the second one. *agree* counts the contestants with the right result, us among them.
* A contestant in brackets computes its result in a less exact way than Kernelscape, and is no peer. Integers may differ
  by one grey level where sums are rounded.
* torch, JAX, Numba, scikit-image, bottleneck and astropy have other borders, or none; their results are compared away
  from the border."""

JOBS_READING = """\
Times are best / median of the runs. A *goal* is a ratio that Kernelscape means to reach; a limit ("read K", "stride 1")
is another job, which shows what a time means."""

ALT = {
    "families.svg": "ratio of every row to its best peer, by family",
    "rows.svg": "ratio of every row to its best peer",
    "side.svg": "time per pixel against window size",
    "extent.svg": "time per pixel against image size",
    "threads.svg": "speed-up against number of threads",
}


def milliseconds(row: Row, name: str) -> str:
    text = f"{'~' if name in row.scaled else ''}{row.best[name] * 1e3:.3g}{'°' if name in row.alone else ''}"
    return f"({name} {text})" if name in row.aside else text


def others(row: Row) -> str:
    """The contestants that are neither us nor the best peer, fastest first."""
    names = sorted((name for name in row.best if name not in (OURS, row.peer)), key=row.best.__getitem__)
    texts = [milliseconds(row, name) if name in row.aside else f"{name} {milliseconds(row, name)}" for name in names]
    return ", ".join([*texts, *(f"{name} wrong" for name in row.failures)])


def grid_table(rows: Sequence[Row], record: Record) -> list[list[str]]:
    sums = any(row.operations for row in rows)
    limits = ["copy", "FMA"] if sums else ["copy"]
    head = ["row", "ours, ms", "best peer, ms", "ratio", "others, ms", "agree", *limits, "compile, ms"]
    table = [head]
    for row in rows:
        if OURS not in row.best:
            table.append([row.name, "failed", *[""] * (len(head) - 2)])
            continue
        peer = f"{row.peer} {milliseconds(row, row.peer)}" if row.peer else ""
        ratio = "" if row.ratio is None else f"**{row.ratio:.2f}**" if row.is_behind else f"{row.ratio:.2f}"
        cells = [row.name, milliseconds(row, OURS), peer, ratio, others(row), row.agreement]
        cells.append(percent(row.of_copy_speed(record.limits)))
        if sums:
            peak = row.of_peak(record.limits)
            cells.append("" if peak is None else percent(peak))
        table.append([*cells, f"{row.compile * 1e3:.0f}"])
    return table


def percent(fraction: float) -> str:
    return f"{fraction:.0%}"


def summary_lines(rows: Sequence[Row]) -> list[str]:
    """The grid in a few sentences."""
    compared = [row for row in rows if row.ratio is not None]
    lines = []
    if compared:
        kept = sum(not row.is_behind for row in compared)
        mean = geometric_mean(row.ratio for row in compared)
        lines.append(
            f"{len(compared)} rows have a peer. Kernelscape is {mean:.2f} times as fast as the best one "
            f"(geometric mean), and not slower in {kept} of them."
        )
    alone = len(rows) - len(compared)
    if alone:
        lines.append(f"In {alone} more rows no peer gives the same result.")
    slow = [row for row in rows if row.compile > COMPILE_GOAL]
    if rows:
        longest = max(rows, key=lambda row: row.compile)
        lines.append(
            f"Compiling took {longest.compile * 1e3:.0f} ms at most ({longest.name}); "
            f"{len(slow)} of {len(rows)} rows took more than {COMPILE_GOAL * 1e3:.0f} ms."
        )
    busiest = max((row.load for row in rows), default=0.0)
    if busiest > BUSY:
        lines.append(
            f"The machine had other work to do: load averages up to {busiest:.1f}. Measure again when it is quiet."
        )
    wrong = [f"{row.name}: {name}: {text}" for row in rows for name, text in row.failures.items()]
    return [*lines, *wrong]


def family_table(rows: Sequence[Row]) -> list[list[str]]:
    table = [["family", "rows", "geometric mean", "least", "most", "behind"]]
    for family in dict.fromkeys(row.family for row in rows):
        found = [row for row in rows if row.family == family and row.ratio is not None]
        if found:
            ratios = [row.ratio for row in found]
            numbers = (geometric_mean(ratios), min(ratios), max(ratios))
            behind = sum(row.is_behind for row in found)
            table.append([family, str(len(found)), *(f"{ratio:.2f}" for ratio in numbers), str(behind or "")])
    return table


def behind_table(rows: Sequence[Row], record: Record) -> list[list[str]]:
    """Where a peer wins, the worst first, with the limits that were measured."""
    table = [["row", "ours, ms", "best peer, ms", "ratio", "copy", "FMA"]]
    for row in sorted((row for row in rows if row.is_behind), key=lambda row: row.ratio):
        peak = row.of_peak(record.limits)
        peer = f"{row.peer} {milliseconds(row, row.peer)}"
        limits = [percent(row.of_copy_speed(record.limits)), "" if peak is None else percent(peak)]
        table.append([row.name, milliseconds(row, OURS), peer, f"{row.ratio:.2f}", *limits])
    return table


def inexact_table(rows: Sequence[Row]) -> list[list[str]]:
    """Where a contestant with a less exact result is faster."""
    table = [["row", "ours, ms", "less exact, ms", "how"]]
    for row in rows:
        for name in row.faster_aside:
            times = [milliseconds(row, OURS), f"{name} {row.best[name] * 1e3:.3g}"]
            table.append([row.name, *times, row.notes.get(name, "")])
    return table


def wait_table(waits: Sequence[Wait]) -> list[list[str]]:
    table = [["package", "job", "import after NumPy, ms", "first call, ms", "both, ms", "any later call, µs"]]
    for wait in waits:
        numbers = (wait.imports * 1e3, wait.first * 1e3, (wait.imports + wait.first) * 1e3, wait.again * 1e6)
        table.append([wait.package, wait.job, *(f"{number:.3g}" for number in numbers)])
    return table


def footprint_table(footprints: Sequence[Footprint]) -> list[list[str]]:
    names = list(dict.fromkeys(one.contestant for one in footprints))
    table = [["job", "image, MB", *(f"{name}, MB" for name in names)]]
    for job, extent in dict.fromkeys((one.job, one.extent) for one in footprints):
        found = {one.contestant: one for one in footprints if (one.job, one.extent) == (job, extent)}
        image = next(iter(found.values())).image
        cells = [f"{found[name].extra / 1e6:.1f}" if name in found else "" for name in names]
        table.append([f"{job}, {extent}x{extent}", f"{image / 1e6:.0f}", *cells])
    return table


def note_lines(rows: Sequence[Row]) -> list[str]:
    """What a reader of a family's numbers has to know; each note once, with the kinds that it is about."""
    kinds: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        for name, text in row.notes.items():
            kinds.setdefault((row.family, name, text), []).append(row.kind)
    return [
        f"* {family} ({', '.join(dict.fromkeys(found))}): {name}: {text}."
        for (family, name, text), found in kinds.items()
    ]


def summary_parts(record: Record, picture: Mapping[str, str]) -> list[str]:
    """What the grid comes to: families, goals, and where others are faster."""
    parts = ["## The grid in short", *summary_lines(record.rows), as_markdown(family_table(record.rows))]
    parts += [picture[name] for name in ("families.svg", "rows.svg") if name in picture]
    if record.limits:
        parts += ["## Goals", as_markdown(goal_table(record.rows, record.limits))]
    behind, inexact = behind_table(record.rows, record), inexact_table(record.rows)
    if len(behind) > 1:
        text = "Rows in which the best peer is faster, the farthest behind first, and how near we are to the limits."
        parts += ["## Where a peer wins", text, as_markdown(behind)]
    if len(inexact) > 1:
        parts += ["## Where something less exact is faster", as_markdown(inexact)]
    return parts


def grid_parts(record: Record) -> list[str]:
    """All rows, family by family."""
    parts = [f"## The grid, {record.size}x{record.size}", READING]
    for family in dict.fromkeys(row.family for row in record.rows):
        rows = [row for row in record.rows if row.family == family]
        parts += [f"### {family}", as_markdown(grid_table(rows, record)), "\n".join(note_lines(rows))]
    return parts


def page_of(record: Record, plots: Sequence[str], folder: str, command: str) -> str:
    """The page as Markdown; `folder` is where the plots are, as seen from the page."""
    picture = {name: f"![{ALT[name]}]({folder}/{name})" for name in plots}
    machine = list(record.machine)
    if record.limits:
        rates = ", ".join(f"{rate / 1e9:.0f} GFLOP/s {name}" for name, rate in record.limits.flops.items())
        machine.append(f"copy: {record.limits.copy / 1e9:.1f} GB/s read and written; multiply-adds: {rates}")
    parts = [OPENING.format(command=command), "## The machine", "\n".join(f"* {line}" for line in machine)]
    parts += summary_parts(record, picture) if record.rows else []
    for name, heading in (("side.svg", "Window size"), ("extent.svg", "Image size"), ("threads.svg", "Threads")):
        parts += [f"## {heading}", picture[name]] if name in picture else []
    if record.waits:
        text = "Medians of several processes, each with an empty cache of ours; images of 64x64, a line of 4096."
        parts += ["## Imports, first calls, overhead", text, as_markdown(wait_table(record.waits))]
    if record.footprints:
        text = "What a call takes beyond its input and its output, at the peak; each number from a process of its own."
        parts += ["## Peak memory", text, as_markdown(footprint_table(record.footprints))]
    parts += grid_parts(record) if record.rows else []
    if record.tables:
        parts += ["## Other jobs", JOBS_READING]
        parts += [part for name, table in record.tables.items() for part in (f"### {name}", as_markdown(table))]
        parts.append("\n".join(f"* {line}" for line in record.remarks))
    return "\n\n".join(part for part in parts if part) + "\n"


def write_page(record: Record, path: Path, command: str) -> None:
    """Write the page, and its plots in `pictures/benchmarks` beside it."""
    folder = path.parent / "pictures" / "benchmarks"
    plots = write_plots(record, folder)
    text = page_of(record, plots, os.path.relpath(folder, path.parent), command)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
