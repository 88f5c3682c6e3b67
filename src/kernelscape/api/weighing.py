"""What the weights of the samples that count say of a sum: what it is divided by, and whether it is worth anything.

Where samples are missing, a sum of products has the weights of the others only. It may be divided by the sum of these
(``normalize=True``), or rescaled so that the kernel keeps the sum that it has in full (``normalize="valid"``); and it
is invalid where too little weight is left (`min_weight`), or where what it would be divided by is rounding noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kernelscape.trace import count, valid

NOISE = 16
"""A sum of weights below this many epsilons of the sum of their magnitudes is rounding noise."""


class Rule(NamedTuple):
    """What becomes of sums of products.

    Attributes
    ----------
    normalize : bool or "valid"
    min_weight : float
    positive : bool
        No weight is negative, so that the sum of some is the sum of their magnitudes.
    """

    normalize: bool | str = False
    min_weight: float = 0.0
    positive: bool = False

    @property
    def weighs(self) -> bool:
        """Whether the weights of valid samples are looked at."""
        return bool(self.normalize) or self.min_weight > 0


class Finish(NamedTuple):
    """How a function ends that adds products up.

    Attributes
    ----------
    rule : Rule
    invalid : int or float
        What stands in place of an invalid sum.
    flagged : int or None
        Not None: behind the sums comes whether they are valid, for which a window needs at least so many samples.
    """

    rule: Rule
    invalid: int | float
    flagged: int | None = None

    @property
    def plain(self) -> bool:
        """Whether sums are results as they are."""
        return not self.rule.weighs and self.flagged is None


Kernel = tuple[Any, Any]
"""The real and the imaginary part of weights; None is an imaginary part that is not there."""


def finished(totals: Sequence[Any], window: Any, kernel: Kernel | None, part: Any, finish: Finish) -> Any:
    """The results of a function, from its sums of products: one or several.

    Parameters
    ----------
    totals : sequence
        Of one kernel with one or several windows; of a complex `kernel` the real and the imaginary part of the sum.
    window : window
        Whose samples count, or do not.
    kernel : tuple
        Of the window's shape, up to a factor; not used where the rule does not weigh.
    part : array of bool or None
        Which samples are in the pixel's own window.
    finish : Finish
    """
    values, enough = list(totals), None
    if finish.rule.weighs:
        assert kernel is not None
        values, enough = weighed(totals, window, kernel, part, finish.rule)
        values = [np.where(enough, value, finish.invalid) for value in values]
    if finish.flagged is not None:
        flag = valid(totals[0]) & (count(window) >= finish.flagged)
        values.append(flag if enough is None else flag & enough)
    return tuple(values) if len(values) > 1 else values[0]


def weighed(totals: Sequence[Any], window: Any, kernel: Kernel, part: Any, rule: Rule) -> tuple[list[Any], Any]:
    """Sums divided or rescaled, and whether they are worth anything; as in `finished`."""
    counts = valid(window) if part is None else valid(window) & part
    there = Share.of(kernel, counts, rule.positive)
    values, enough = list(totals), None
    if rule.normalize is True:
        values, enough = quotient(totals, there.total), there.is_sound
    elif rule.normalize:
        full = Share.of(kernel, part, rule.positive)
        # With all of its samples a window has the kernel's own sum, which may be 0.
        whole = np.all(counts if part is None else counts | ~part)
        rescaled = product(totals, quotient(full.total, there.total))
        values = [np.where(whole, total, value) for total, value in zip(totals, rescaled, strict=True)]
        enough = whole | (there.is_sound & full.is_sound)
    if rule.min_weight:
        weighty = there.is_enough(Share.of(kernel, part, rule.positive), rule.min_weight)
        enough = weighty if enough is None else enough & weighty
    return values, enough


class Share(NamedTuple):
    """What some of a kernel's weights sum to.

    Attributes
    ----------
    total : tuple
        The real part of the sum, and the imaginary one where there is one.
    size : scalar
        The magnitude of the sum.
    magnitude : scalar
        The sum of the magnitudes.
    """

    total: tuple[Any, ...]
    size: Any
    magnitude: Any

    @staticmethod
    def of(kernel: Kernel, counts: Any, positive: bool = False) -> Share:
        """The share of the weights that count; None: of all."""

        def summed(weights: Any) -> Any:
            return np.sum(weights) if counts is None else np.sum(weights, where=counts)

        parts = [k for k in kernel if k is not None]
        total = tuple(map(summed, parts))
        if len(parts) > 1:
            return Share(total, np.hypot(*total), summed(np.hypot(*parts)))
        return Share(total, np.abs(total[0]), total[0] if positive else summed(np.abs(parts[0])))

    @property
    def is_sound(self) -> Any:
        """Whether the sum is more than rounding noise; NaN is, as it has to be seen."""
        return ~(self.size <= NOISE * _eps(self.magnitude) * self.magnitude)

    def is_enough(self, full: Share, fraction: float) -> Any:
        """Whether these are a fraction of all weights, by magnitude and up to rounding noise; NaN is."""
        return ~(self.magnitude < (fraction - NOISE * _eps(full.magnitude)) * full.magnitude)


def _eps(number: Any) -> float:
    return float(np.finfo(number.dtype).eps) if number.dtype.kind == "f" else 0.0


def quotient(totals: Sequence[Any], divisor: Sequence[Any]) -> list[Any]:
    """Numbers divided by one; of a complex divisor, these are the parts of a complex number."""
    if len(divisor) == 1:
        return [total / divisor[0] for total in totals]
    (a, b), (c, d) = totals, divisor
    square = c * c + d * d
    return [(a * c + b * d) / square, (b * c - a * d) / square]


def product(totals: Sequence[Any], factor: Sequence[Any]) -> list[Any]:
    """Numbers times one; of a complex factor, these are the parts of a complex number."""
    if len(factor) == 1:
        return [total * factor[0] for total in totals]
    (a, b), (c, d) = totals, factor
    return [a * c - b * d, a * d + b * c]
