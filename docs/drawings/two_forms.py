"""Draw ``docs/pictures/two_forms.svg``: a gather pulls, a scatter pushes.

Five pixels, each with its own kernel. The numbers of the outputs are computed by Kernelscape, not written down. Run it
again when the drawing is to change::

    python docs/drawings/two_forms.py
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

import kernelscape as ks

PICTURE = Path(__file__).parents[1] / "pictures" / "two_forms.svg"
X = np.array([0.0, 8.0, 0.0, 8.0, 0.0])
KERNELS = np.array([[0, 1, 0], [0, 1, 0], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25]])

CELL, STEP, TOP, BOTTOM, WIDTH = 44, 68, 118, 236, 390
PALE, STRONG, INK, OWNER = "#d3d6dc", "#c8501e", "#23272f", "#fbe6d9"


def main() -> None:
    PICTURE.write_text(drawing(), encoding="utf-8")


def drawing() -> str:
    """The whole picture."""
    field = ks.kernels.Dense(KERNELS)
    gathered = ks.correlate(X, field, mode="constant")
    scattered = ks.convolve(X, field, mode="constant", form="scatter")
    words = f'width="{2 * WIDTH}" height="330" viewBox="0 0 {2 * WIDTH} 330" font-family="sans-serif"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {words}>',
        "<title>Gather: outputs pull, each with its kernel. Scatter: inputs push, each with its kernel.</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        *panel(0, "gather: output 2 pulls", gathered, owner=2, pulls=True),
        *panel(WIDTH, "scatter: input 3 pushes", scattered, owner=3, pulls=False),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def panel(left: int, title: str, y: np.ndarray, *, owner: int, pulls: bool) -> list[str]:
    """One of the forms: inputs above, outputs below, the kernels at the side that they belong to."""
    places = [left + 62 + STEP * p for p in range(len(X))]
    lines = [text(left + WIDTH / 2 + 10, 30, title, size=18, weight="bold")]
    for p in [q for q in range(len(X)) if q != owner] + [owner]:
        lines += arrows(places, p, pulls=pulls, strong=p == owner)
    for row, values, name in ((TOP, X, "x"), (BOTTOM, y, "y")):
        lines.append(text(left + 18, row + 6, name, size=18, style="italic"))
        owned = (row == BOTTOM) == pulls
        lines += [box(x, row, v, owned and p == owner) for p, (x, v) in enumerate(zip(places, values, strict=True))]
    foot = BOTTOM + CELL / 2 + 46 if pulls else TOP - CELL / 2 - 12
    for p, x in enumerate(places):
        lines += bars(x, foot, KERNELS[p], STRONG if p == owner else INK)
    return lines


def arrows(places: list[int], p: int, *, pulls: bool, strong: bool) -> list[str]:
    """From the inputs to an output, or from an input to the outputs; weights of 0 have none."""
    lines = []
    for tap, weight in enumerate(KERNELS[p]):
        other = p + tap - 1
        if not weight or not 0 <= other < len(places):
            continue
        start, end = (places[other], places[p]) if pulls else (places[p], places[other])
        colour = STRONG if strong else PALE
        y0, y1 = TOP + CELL / 2 + 3, BOTTOM - CELL / 2 - 9
        lines.append(f'<line x1="{start}" y1="{y0}" x2="{end}" y2="{y1}" stroke="{colour}" stroke-width="2"/>')
        lines.append(f'<path d="M {end} {y1 + 7} l -5 -9 l 10 0 z" fill="{colour}"/>')
        if strong:
            # Beside the arrow, nearer to the end at which the arrows lie apart.
            share = 0.3 if pulls else 0.62
            x, y = start + share * (end - start), y0 + share * (y1 - y0)
            lines.append(f'<rect x="{x - 11:g}" y="{y - 11:g}" width="22" height="20" fill="white"/>')
            lines.append(text(x, y + 5, number(weight), colour=STRONG))
    return lines


def box(x: int, y: int, value: float, owner: bool) -> str:
    """A pixel with its number."""
    half = CELL / 2
    look = f'fill="{OWNER if owner else "white"}" stroke="{STRONG if owner else INK}" stroke-width="1.5"'
    place = f'x="{x - half:g}" y="{y - half:g}" width="{CELL}" height="{CELL}"'
    return f"<rect {place} {look}/>\n{text(x, y + 6, number(value), size=17)}"


def bars(x: int, foot: float, kernel: np.ndarray, colour: str) -> list[str]:
    """A kernel as bars."""
    lines = [f'<line x1="{x - 18}" y1="{foot:g}" x2="{x + 18}" y2="{foot:g}" stroke="{colour}"/>']
    for tap, weight in enumerate(kernel):
        height = 34 * weight
        place = f'x="{x - 17 + 12 * tap}" y="{foot - height:g}" width="10" height="{height:g}"'
        lines.append(f'<rect {place} fill="{colour}"/>')
    return lines


def text(x: float, y: float, words: str, *, size: int = 15, colour: str = INK, **style: str) -> str:
    """Words, centred."""
    more = "".join(f' font-{name}="{value}"' for name, value in style.items())
    place = f'x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="middle"'
    return f'<text {place} fill="{colour}"{more}>{words}</text>'


def number(value: float) -> str:
    """A small number, as a fraction where it is one."""
    found = Fraction(float(value)).limit_denominator(100)
    fractions = {Fraction(1, 4): "¼", Fraction(1, 2): "½", Fraction(3, 4): "¾"}
    return fractions.get(found, str(found))


if __name__ == "__main__":
    main()
