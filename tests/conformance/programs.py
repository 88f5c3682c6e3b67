"""Functions made up at random: Python expressions in ``w``, ``v`` (windows), ``k`` (a kernel), ``t`` and ``x``.

A text that NumPy or the tracer refuses is no test; a text is its own name, so a failing case prints as a script.
"""

from __future__ import annotations

from random import Random

import numpy as np

from kernelscape.trace import count, valid
from tests.conformance.functions import Function

ROLES = {"w": "window", "v": "window", "k": "kernel", "t": "pixel", "x": "index"}
_BINARY = ("+", "-", "*", "/", "//", "%", "**")
_COMPARE = ("<", "<=", ">", ">=", "==", "!=")
_UNARY = (
    *("np.abs", "np.negative", "np.square", "np.sqrt", "np.exp", "np.log", "np.sin", "np.floor", "np.rint", "np.sign"),
    *("np.tanh", "np.reciprocal", "np.invert", "np.isnan", "np.arctan", "np.log1p", "np.exp2", "np.cbrt", "np.trunc"),
)
_PAIRED = ("np.minimum", "np.maximum", "np.hypot", "np.arctan2", "np.fmin", "np.fmax", "np.copysign", "np.fmod")
_REDUCE = (
    *("np.sum", "np.mean", "np.min", "np.max", "np.median", "np.ptp", "np.std", "np.var", "np.argmax", "np.argmin"),
    *("np.any", "np.all", "np.count_nonzero", "np.prod", "np.nanmean", "np.nanmax", "np.nansum", "np.nanmedian"),
)
_SELECTED = ("np.sum", "np.mean", "np.min", "np.max", "np.median", "np.std")
_NUMBERS = ("0", "1", "2", "3", "0.5", "-1", "1.5")


class _Writer:
    def __init__(self, random: Random, names: str) -> None:
        self.random, self.names = random, names

    def array(self, depth: int) -> str:
        """A value of the window's shape."""
        r = self.random
        if depth <= 0 or r.random() < 0.15:
            return r.choice([n for n in self.names if n in "wvk"])
        kind = r.randrange(8)
        if kind < 3:
            other = self.array(depth - 1) if r.random() < 0.5 else self.number(depth - 1)
            return f"({self.array(depth - 1)} {r.choice(_BINARY[:3] if r.random() < 0.6 else _BINARY)} {other})"
        if kind == 3:
            return f"{r.choice(_UNARY)}({self.array(depth - 1)})"
        if kind == 4:
            return f"{r.choice(_PAIRED)}({self.array(depth - 1)}, {self.array(depth - 1)})"
        if kind == 5:
            return f"np.where({self.flags(depth - 1)}, {self.array(depth - 1)}, {self.number(depth - 1)})"
        if kind == 6:
            return f"np.flip({self.array(depth - 1)})"
        return f"np.clip({self.array(depth - 1)}, 1, 4)"

    def flags(self, depth: int) -> str:
        r = self.random
        kind = r.randrange(5)
        if kind == 0 and depth > 0:
            return f"({self.flags(depth - 1)} {r.choice('&|^')} {self.flags(depth - 1)})"
        if kind == 1:
            return f"valid({r.choice([n for n in self.names if n in 'wv'])})"
        other = self.array(depth - 1) if r.random() < 0.3 else self.number(depth - 1)
        return f"({self.array(depth - 1)} {r.choice(_COMPARE)} {other})"

    def number(self, depth: int) -> str:
        """A scalar."""
        r = self.random
        if depth <= 0:
            return r.choice([*_NUMBERS, *(n for n in self.names if n in "tx")])
        kind = r.randrange(9)
        if kind < 3:
            return f"{r.choice(_REDUCE)}({self.array(depth - 1)})"
        if kind == 3:
            return f"{r.choice(_SELECTED)}({self.array(depth - 1)}[{self.flags(depth - 1)}])"
        if kind == 4:
            return f"({self.number(depth - 1)} {r.choice(_BINARY)} {self.number(depth - 1)})"
        if kind == 5:
            return f"{self.array(depth - 1)}.ravel()[{r.choice((0, -1, 'w.size // 2'))}]"
        if kind == 6:
            left, right, yes, no = (self.number(depth - 1) for _ in range(4))
            return f"np.where({left} > {right}, {yes}, {no})"
        if kind == 7:
            return f"np.percentile({self.array(depth - 1)}, {r.choice((10, 25, 66.6, 90))})"
        return f"np.sort({self.array(depth - 1)}, axis=None)[{r.choice((0, -1, 'w.size // 3'))}]"


def draw_program(random: Random) -> str:
    """The text of a function."""
    names = "w" + "".join(n for n in "vktx" if random.random() < 0.25)
    writer = _Writer(random, names)
    depth = random.choice((2, 3, 3, 4))
    text = writer.number(depth) if random.random() < 0.8 else writer.array(depth - 1)
    return f"{''.join(names)}: {text}"


def function_of(program: str) -> Function:
    """The function that a text stands for."""
    names, text = program.split(": ", 1)
    source = f"lambda {', '.join(names)}: {text}"
    call = eval(source, {"np": np, "valid": valid, "count": count})  # noqa: S307  # made by draw_program
    return Function(call, "biuf", tuple(ROLES[n] for n in names), most=36)
