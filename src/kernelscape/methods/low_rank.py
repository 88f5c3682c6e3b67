"""Any field as a few basis kernels with coefficient maps, where it is used on many images.

When it applies: gathered fields of all kinds but those that are sums of few kernels already. What it costs: two passes
over all pixels, each of which evaluates every kernel in float64 and projects it; then, for each image, a fixed filter
per basis kernel, directly or through Fourier transforms. So it pays for stacks of images (batch axes), or where a plan
runs many times; for one image the field itself is always less work. How exact it is: `compress` measures it at every
pixel.

On 2 cores of a Zen 4: ...
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kernelscape.expression import DType
from kernelscape.kernels.field import Blend, Bound
from kernelscape.methods import costs

SHARE = 0.8
"""How much of the tolerance the compression may take; the rest is for rounding and transforms."""
PASSES = 0.4
"""Milliseconds for one tap of a million kernels, in both passes together: evaluating them in float64."""
PROJECTED = 0.12
"""The same for each basis kernel: projecting, and subtracting again."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a rank costs, in milliseconds: once per field, and for all images together."""

    once: float
    run: float


def price(bound: Bound | Blend, rank: int, pixels: int, images: int, dtype: DType) -> Price:
    """The cost of standing for a field with so many basis kernels, where these are applied directly."""
    taps = math.prod(bound.size)
    once = taps * (PASSES + PROJECTED * rank) * pixels / costs.MILLION
    run = costs.CALL + (costs.PASS + costs.COMBINED * rank * taps) * images * pixels / costs.MILLION
    return Price(once, run * costs.width(dtype))


def most_ranks(bound: Bound | Blend, pixels: int, images: int, dtype: DType, exact: float) -> int:
    """Up to which rank this may be less work than the exact method, whose cost is given; 0 for none.

    Filters are counted as if they cost nothing, since through Fourier transforms they cost little.
    """
    taps = math.prod(bound.size)
    left = exact - taps * PASSES * pixels / costs.MILLION
    return max(0, min(taps, math.floor(left / (taps * PROJECTED * pixels / costs.MILLION))))
