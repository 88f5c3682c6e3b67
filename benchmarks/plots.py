"""The plots of the page: SVG files, the same bytes for the same numbers, text as text.

A contestant has the same colour and mark in every plot.
"""

import re
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
KIND_COLOURS = {
    "f32": "#c1272d",
    "f64": "#0072b2",
    "u8": "#e69f00",
    "u16": "#009e73",
    "rgb u8": "#cc79a7",
    "rgb f32": "#56b4e9",
}
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
    # A hundredth of a point is finer than any screen; and no text file of the repository has spaces at ends of lines.
    text = re.sub(r"(\d\.\d\d)\d+", r"\1", path.read_text(encoding="utf-8"))
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


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


def scale_ratios(axes: Axes, along: str) -> None:
    """A logarithmic axis of ratios, with a line where both are as fast."""
    axis = axes.xaxis if along == "x" else axes.yaxis
    axes.set(**{f"{along}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1,) if along == "y" else (1, 2, 5), numticks=20))
    axis.set_major_formatter(PLAIN)
    axis.set_minor_locator(NullLocator())
    (axes.axvline if along == "x" else axes.axhline)(1, color="black", linewidth=0.8)


def bar_plot(rows: Sequence[Row]) -> Figure:
    """A bar for each row, from 1 to its ratio: a panel for each family, sizes along x, a colour for each kind."""
    rows = [row for row in rows if row.ratio is not None]
    families = list(dict.fromkeys(row.family for row in rows))

    def draw(number: int, axes: Axes) -> None:
        found = [row for row in rows if row.family == families[number]]
        sides, kinds = sorted({row.side for row in found}), list(dict.fromkeys(row.kind for row in found))
        width = 0.8 / len(kinds)
        for place, kind in enumerate(kinds):
            ours = [row for row in found if row.kind == kind]
            xs = [sides.index(row.side) + (place - (len(kinds) - 1) / 2) * width for row in ours]
            heights = [row.ratio - 1 for row in ours]
            axes.bar(xs, heights, width, bottom=1, color=KIND_COLOURS.get(kind, OTHER[0]), label=kind)
        scale_ratios(axes, "y")
        axes.grid(visible=False, axis="x")
        axes.set_title(families[number], fontsize=9)
        axes.set_xticks(range(len(sides)), [str(side) for side in sides])
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.5), max(high, 2.0))
        axes.set_xlabel("window size" if number >= len(families) - 3 else "")

    figure = panels(len(families), draw, height=1.8)
    figure.supylabel("times as fast as the best peer", fontsize=9)
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
    scale_ratios(axes, "x")
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
