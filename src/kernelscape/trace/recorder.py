"""What one run of the user's function leaves behind: captured numbers and arrays, and the decisions it asked for.

Captured numbers and arrays become run-time arguments, numbered in the order in which they are met, so that a function
made anew with other numbers has the same structure. A number is never recognised as "the same" as another one of equal
value, because then the structure would depend on values; an array is, by identity.

When a decision (``bool()`` of a traced value) is met, the run takes the branch that `fork.py` prescribes. Slots are
numbered per path: a number met before a decision has the same slot in both branches, one met after it has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kernelscape.expression import Argument, DType, Node, Shape, structure
from kernelscape.semantics import DTYPES
from kernelscape.trace.page import tracing_error

MOST_PATHS = 64


@dataclass(frozen=True, slots=True)
class Captured:
    """A run-time argument: a NumPy scalar of `dtype`, or the user's own array, to be converted to `dtype`."""

    value: Any
    dtype: DType
    shape: Shape


@dataclass(slots=True)
class Slots:
    """The run-time arguments of all paths of a trace."""

    values: list[Captured | None]
    known: dict[tuple[Any, ...], int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Recorder:
    """One run of the function along the path `prescribed`."""

    slots: Slots
    missing: bool = False
    image_shapes: frozenset[Shape] = frozenset()
    window_shapes: frozenset[Shape] = frozenset()
    prescribed: tuple[bool, ...] = ()
    users: bool = True
    """Whether the arrays that are met now are the user's, among which a whole image is a mistake."""
    decisions: list[tuple[Node, bool]] = field(default_factory=list)
    taken: tuple[bool, ...] = ()
    met: int = 0
    # With each node stands its array, because the identity of one that is gone is given to another.
    arrays: dict[tuple[int, DType], tuple[Node, Any]] = field(default_factory=dict)
    numbers: dict[tuple[int, DType], tuple[Any, Argument]] = field(default_factory=dict)

    def scalar(self, value: Any, dtype: DType) -> Argument:
        """A captured number as an argument of `dtype`; OverflowError where it does not fit, as in NumPy.

        A floating number that is met twice as the same object is the same argument, so that what it is part of is
        computed once. (Python shares small integers between unrelated places: these stay apart, or the structure would
        depend on their values.)
        """
        if isinstance(value, (float, np.floating)):
            known = self.numbers.get((id(value), dtype))
            if known is None:
                known = self.numbers[id(value), dtype] = (value, self._new_scalar(value, dtype))
            return known[1]
        return self._new_scalar(value, dtype)

    def _new_scalar(self, value: Any, dtype: DType) -> Argument:
        key = (self.taken, self.met)
        self.met += 1
        slots = self.slots
        slot = slots.known.get(key)
        if slot is None:
            slot = slots.known[key] = len(slots.values)
            slots.values.append(Captured(dtype.type(value), dtype, ()))
        return Argument((), dtype, slot)

    def array(self, value: np.ndarray[Any, Any], dtype: DType) -> Node:
        """A captured array as an argument of `dtype`."""
        known = self.arrays.get((id(value), dtype))
        if known is not None:
            return known[0]
        self._check_capture(value)
        key = (self.taken, self.met)
        self.met += 1
        slot = self.slots.known.get(key)
        if slot is None:
            slot = self.slots.known[key] = len(self.slots.values)
            self.slots.values.append(Captured(value, dtype, value.shape))
        node = Argument(value.shape, dtype, slot)
        self.arrays[id(value), dtype] = (node, value)
        return node

    def _check_capture(self, value: np.ndarray[Any, Any]) -> None:
        if self.users and value.ndim and value.shape in self.image_shapes and value.shape not in self.window_shapes:
            raise tracing_error(
                f"The function uses an array of shape {value.shape}, which is the shape of a whole input, while it is "
                "called with one window at a time. A map that has one value for each pixel is handed over as an "
                "argument, as ks.pixel(map); its value at the window's anchor is then a parameter of the function.",
                "ks.apply(lambda w: np.mean(w) * gain, image, size=3)",
                "ks.apply(lambda w, g: np.mean(w) * g, image, ks.pixel(gain), size=3)",
            )

    def decide(self, condition: Node) -> bool:
        """The branch to take at a decision."""
        for node, answer in self.decisions:
            if node is condition or structure((node,)) == structure((condition,)):
                return answer
        position = len(self.decisions)
        if position >= MOST_PATHS - 1:
            raise too_many_paths()
        answer = self.prescribed[position] if position < len(self.prescribed) else True
        self.decisions.append((condition, answer))
        self.taken = (*self.taken, answer)
        self.met = 0
        return answer


def too_many_paths() -> Exception:
    """The page for a function whose decisions multiply."""
    return tracing_error(
        f"The function takes more than {MOST_PATHS} ways, counting all combinations of its decisions. A loop whose end "
        "depends on the data, or min() and max() of Python over a window, decide again and again.",
        "lambda w: min(w.ravel())",
        "lambda w: np.min(w)      # or np.where(condition, a, b) in place of if",
    )


def supported(dtype: DType) -> DType:
    """The dtype in native byte order; an error for what compiled functions do not know."""
    native = dtype if dtype.isnative else dtype.newbyteorder("=")
    if native not in DTYPES:
        raise tracing_error(
            f"A value of dtype {dtype} takes part in the function; compiled functions know "
            f"{', '.join(map(str, DTYPES))}.",
            "lambda w: np.sum(w * complex_kernel)",
            "lambda w: np.hypot(np.sum(w * kernel_real), np.sum(w * kernel_imaginary))",
        )
    return native


def shapes(given: Sequence[Sequence[int]]) -> frozenset[Shape]:
    return frozenset(tuple(s) for s in given)
