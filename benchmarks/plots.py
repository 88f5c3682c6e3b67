"""The plots of the page: SVG files, the same bytes for the same numbers, text as text.

A contestant has the same colour and mark in every plot.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.harness import OURS
from benchmarks.record import Curve, Record, Row, geometric_mean

STYLES = {
    OURS: ("#c1272d", "o"),
    "opencv": ("#0072b2", "s"),
    "opencv sepFilter2D": ("#56b4e9", "s"),
    "halide": ("#009e73", "^"),
    "numba": ("#e69f00", "D"),
    "scipy": ("#7f7f7f", "v"),
    "skimage": ("#cc79a7", "P"),
    "torch": ("#8c564b", "X"),
    "jax": ("#4b0082", "*"),
}
OTHER = ("#000000", ".")
SETTINGS = {
    "svg.hashsalt": "kernelscape",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
LABELS = {
    "side": ("window size", "nanoseconds per pixel"),
    "extent": ("extent of the square image", "nanoseconds per pixel"),
    "threads": ("threads", "times as fast as one thread"),
}


def save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    # The writer ends lines with spaces, which no text file of the repository has.
    text = "\n".join(line.rstrip() for line in path.read_text(encoding="utf-8").splitlines())
    path.write_text(text + "\n", encoding="utf-8")


def panels(count: int, draw: Callable[[int, Axes], None], columns: int = 3, height: float = 2.5) -> Figure:
    """A figure of several panels with one legend below them."""
    lines = -(-count // columns)
    columns = min(columns, count)
    figure = Figure(figsize=(3.2 * columns, height * lines + 0.4), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for number, one in enumerate(axes):
        if number < count:
            draw(number, one)
        else:
            one.set_visible(False)
    named = {label: handle for one in axes for handle, label in zip(*one.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=min(len(named), 2 * columns + 1) or 1)
    return figure


def draw_curve(axes: Axes, curve: Curve) -> None:
    colour, mark = STYLES.get(curve.contestant, OTHER)
    if curve.axis == "threads":
        values = [curve.seconds[0] / seconds for seconds in curve.seconds]
    else:
        values = [1e9 * seconds / pixels for seconds, pixels in zip(curve.seconds, curve.pixels, strict=True)]
    width = 2.0 if curve.contestant == OURS else 1.0
    axes.plot(curve.xs, values, color=colour, marker=mark, markersize=3.5, linewidth=width, label=curve.contestant)


def curve_plot(curves: Sequence[Curve], axis: str) -> Figure:
    chosen = [curve for curve in curves if curve.axis == axis]
    jobs = list(dict.fromkeys(curve.job for curve in chosen))

    def draw(number: int, axes: Axes) -> None:
        found = [curve for curve in chosen if curve.job == jobs[number]]
        for curve in found:
            draw_curve(axes, curve)
        ticks = sorted({x for curve in found for x in curve.xs})
        axes.set_title(jobs[number], fontsize=9)
        axes.set_xlabel(LABELS[axis][0])
        axes.set_ylabel(LABELS[axis][1])
        if axis == "threads":
            axes.set_ylim(bottom=0)
            axes.set_xticks(ticks)
        else:
            axes.set_xscale("log", base=2 if axis == "extent" else 10)
            axes.set_yscale("log")
            shown = ticks[::2] if len(ticks) > 6 else ticks
            axes.set_xticks(shown, [str(tick) for tick in shown])
            axes.minorticks_off()
            axes.yaxis.set_major_formatter(PLAIN)

    return panels(len(jobs), draw)


def scale_ratios(axes: Axes) -> None:
    """A logarithmic axis of ratios, with a line where both are as fast."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    axes.xaxis.set_major_formatter(PLAIN)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(1, color="black", linewidth=0.8)


def bar_plot(rows: Sequence[Row]) -> Figure:
    """A bar for each row: how many times faster than its best peer; below 1 it is another colour."""
    rows = [row for row in rows if row.ratio is not None]
    figure = Figure(figsize=(7.5, 0.6 + 0.105 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows))
    colours = ["#c1272d" if row.ratio >= 1 else "#7f7f7f" for row in rows]
    axes.barh(list(places), [row.ratio - 1 for row in rows], left=1, color=colours, height=0.8)
    scale_ratios(axes)
    axes.set_yticks(list(places), [f"{row.name} ({row.peer})" for row in rows], fontsize=5)
    axes.invert_yaxis()
    axes.margins(y=0.002)
    axes.set_xlabel("times as fast as the best peer, which is named beside the row")
    return figure


def family_plot(rows: Sequence[Row]) -> Figure:
    """The geometric mean of each family, from its slowest to its fastest row."""
    families = list(dict.fromkeys(row.family for row in rows if row.ratio is not None))
    figure = Figure(figsize=(6.5, 0.6 + 0.22 * len(families)), layout="constrained")
    axes = figure.subplots()
    for place, family in enumerate(families):
        ratios = [row.ratio for row in rows if row.family == family and row.ratio is not None]
        axes.plot([min(ratios), max(ratios)], [place, place], color="#7f7f7f", linewidth=1.5)
        axes.plot(ratios, [place] * len(ratios), linestyle="", marker="|", color="#7f7f7f", markersize=6)
        axes.plot(geometric_mean(ratios), place, marker="o", color="#c1272d", markersize=5)
    scale_ratios(axes)
    axes.set_yticks(range(len(families)), families)
    axes.invert_yaxis()
    axes.set_xlabel("times as fast as the best peer: all rows, and their geometric mean")
    return figure


def write_plots(record: Record, folder: Path) -> list[str]:
    """Write what can be drawn from a record; give the names of the files."""
    makers = {f"{axis}.svg": axis for axis in LABELS if any(curve.axis == axis for curve in record.curves)}
    with mpl.rc_context(SETTINGS):
        for name, axis in makers.items():
            save(curve_plot(record.curves, axis), folder / name)
        if any(row.ratio is not None for row in record.rows):
            save(family_plot(record.rows), folder / "families.svg")
            save(bar_plot(record.rows), folder / "rows.svg")
            return ["families.svg", "rows.svg", *makers]
    return list(makers)
