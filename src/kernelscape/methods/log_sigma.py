"""The method for Gaussian fields under a tolerance: a few blurs of the whole image, blended in the logarithm of sigma.

When it applies: isotropic Gaussians with a map of sigmas, and Gaussians along the axes (gathered only). What it costs:
a separable blur for each node, and one pass that combines them; a window's size hardly matters. How exact it is:
`gaussian_nodes` says, for all sigmas in a map's range, and what is said is certified.

Gathered on 2 cores of a Zen 4, 1024x1024 in float32, ``tol=1e-3``: ...
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from kernelscape.expression import DType
from kernelscape.kernels.certificate import Certificate
from kernelscape.kernels.gaussian import NARROWEST
from kernelscape.methods import costs
from kernelscape.methods.gaussian_nodes import BLEND, Family, Piece, clipped, norm_of, piece, truncation

SPLITS = (0.375, 0.625, 0.875, 1.125, 1.625, 2.125)
"""Sigmas up to which pixels may be computed exactly. Windows change here under ``truncate=4``."""

# -- the method --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class LogSigma:
    """How a field of Gaussians becomes blurs.

    Attributes
    ----------
    pieces : tuple of tuple of Piece
        For each sigma of the field (one, or one for each axis) its pieces.
    split : float or None
        Pixels with sigmas up to this one are computed exactly.
    split_radius : int or None
        With windows of this radius; None: with their own.
    error : Certificate
        Of all kernels.
    bound : float
        At least the largest error of an output, for an image whose samples are at most 1 in magnitude; rounding
        included.
    cost : float
        Milliseconds.
    """

    pieces: tuple[tuple[Piece, ...], ...]
    split: float | None
    split_radius: int | None
    error: Certificate
    bound: float
    cost: float

    @property
    def blurs(self) -> int:
        """The number of whole-image blurs."""
        first, *others = ([len(p.blurs) for p in pieces] for pieces in self.pieces)
        return sum(first) if not others else math.prod([sum(first), *map(sum, others)])


@dataclass(frozen=True, slots=True)
class Task:
    """What the method is asked for.

    Attributes
    ----------
    tol : float
        The largest error of an output, as a fraction of the image's largest magnitude times that of the kernels' sums.
    outputs : int
        Pixels, times images.
    dtype : dtype
        In which blurs are computed.
    folds : tuple of str, optional
        Of a scatter, for each axis how what falls outside comes back: ``"none"``, ``"twice"`` or ``"edge"``.
    splits : tuple of float
        Sigmas up to which pixels may be computed exactly.
    """

    tol: float
    outputs: int
    dtype: DType
    folds: tuple[str, ...] | None = None
    splits: tuple[float, ...] = SPLITS

    @property
    def unit(self) -> float:
        """Half the distance of 1 to the next number."""
        return float(np.finfo(self.dtype).eps) / 2


@functools.lru_cache(128)
def isotropic(family: Family, lowest: float, highest: float, task: Task) -> LogSigma | None:
    """The cheapest way for Gaussians that have one sigma along all axes; None where none is exact enough."""
    best: LogSigma | None = None
    for split in (None, *task.splits):
        if split is not None and not 1.5 * lowest <= split < highest:
            continue
        dear = split is not None and _split_cost(family, split, 1 if family.truncate is None else None, task)
        if best is not None and dear and dear >= best.cost:
            continue
        # Nodes for each radius are many: only where the jumps between windows are too large an error.
        for by_radius in (False, True) if family.truncate is not None else (False,):
            if task.folds is not None and family.truncate is not None and not by_radius:
                continue
            made = _designed(family, split, lowest, highest, by_radius, task)
            if made is not None:
                best = made if best is None or made.cost < best.cost else best
                break
    return best


def _split_cost(family: Family, split: float, radius: int | None, task: Task) -> float:
    """The cost of computing pixels with small sigmas exactly: their window is that of all pixels then."""
    taps = math.prod(2 * min(r, family.radius(split) if radius is None else radius) + 1 for r in family.reach)
    return (costs.PASS + costs.WEIGHTS + costs.FACTORED * taps) * task.outputs / costs.MILLION * costs.width(task.dtype)


def _designed(
    family: Family, split: float | None, lowest: float, highest: float, by_radius: bool, task: Task
) -> LogSigma | None:
    allowed = target = task.tol * norm_of(family, highest)
    for _ in range(4):
        made = _attempt(family, split, lowest, highest, by_radius, task, target)
        if made is None or made.bound <= allowed:
            return made
        # The error grows with the target; rounding and what windows do to it need not.
        target *= 0.8 * min(1.0, allowed / made.bound) if task.folds else 0.5
    return None


def _attempt(
    family: Family, split: float | None, lowest: float, highest: float, by_radius: bool, task: Task, target: float
) -> LogSigma | None:
    """With pieces whose errors are below the target; the whole may still be above."""
    more, radius = 0.0, None
    if split is None:
        low = _lowest(family, lowest, 0.05 * target)
        more = clipped(family, low) if low > lowest else 0.0
    else:
        low = split
        if family.truncate is None:
            radius = _split_radius(family, split, 0.05 * target)
            if radius is None:
                return None
    floor = None if by_radius or family.truncate is None else truncation(family, highest)
    left = target - more - (floor.l1 if floor else 0.0)
    if left <= 0.1 * target:
        return None
    high = max(low, highest)
    if not by_radius and low < high:
        low, high = _down(low) if split is None else low, _up(high)
    pieces = []
    first = family.radius(lowest if split is None else split)
    for own, start, stop, reach in _intervals(family, low, high, first, by_radius):
        made = piece(own, start, stop, reach, _rounded(left))
        if made is None:
            return None
        pieces.append(made)
    return _assembled(family, tuple(pieces), split, radius, floor, more, highest, task)


def _intervals(
    family: Family, low: float, high: float, first: int, by_radius: bool
) -> Iterator[tuple[Family, float, float, int | None]]:
    """(family, lowest sigma, highest sigma, radius) of the pieces, from a first radius on, which may be 0.

    Where sigmas are clipped, all windows of a radius may belong to smaller ones: these count as the largest of theirs.
    """
    if not by_radius:
        yield family.cut(family.radius(high)), low, high, None
        return
    assert family.truncate is not None
    for radius in range(first, family.radius(high) + 1):
        # A little more than the interval: sigmas are compared in the map's own dtype.
        start = max((radius - 0.5) / max(family.truncate, 1e-9) * (1 - 1e-6), low)
        stop = min((radius + 0.5) / max(family.truncate, 1e-9) * (1 + 1e-6), high)
        yield family.cut(radius), min(start, stop), stop, radius


def _lowest(family: Family, lowest: float, allowed: float) -> float:
    """Where sigmas may be clipped from below."""
    return max(lowest, *(s for s in (NARROWEST, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225) if clipped(family, s) <= allowed))


def _split_radius(family: Family, split: float, allowed: float) -> int | None:
    """The radius of windows that are as good as the family's, for sigmas up to some; None where none is smaller."""
    if any(family.even):
        return None
    plain = replace(family, normalize=False)
    whole = norm_of(plain, split)
    for radius in range(1, min(family.reach)):
        lost = whole - norm_of(plain.cut(radius), split)
        if (2 * lost / whole if family.normalize else lost) <= allowed:
            return radius
    return None


def _up(sigma: float) -> float:
    """A little more, so that maps that are nearly alike have the same nodes."""
    return float(2 ** (math.ceil(16 * math.log2(sigma) - 1e-9) / 16))


def _down(sigma: float) -> float:
    return float(2 ** (math.floor(16 * math.log2(sigma) + 1e-9) / 16))


def _rounded(target: float) -> float:
    """Not more than two digits, for the same reason."""
    scale = 10.0 ** (math.floor(math.log10(target)) - 1)
    return math.floor(target / scale) * scale


def _assembled(
    family: Family, pieces: tuple[Piece, ...], split: float | None, radius: int | None, floor: Certificate | None,
    more: float, highest: float, task: Task,
) -> LogSigma:  # fmt: skip
    norm = norm_of(family, highest)
    cost = (
        costs.CALL + costs.COPY * task.outputs / costs.MILLION + sum(p.cost(task.outputs, task.dtype) for p in pieces)
    )
    rounding = max(p.rounding(task.unit) for p in pieces)
    if split is not None:
        cost += _split_cost(family, split, radius, task)
        taps = (2 * (family.radius(split) if radius is None else radius) + 1) ** family.ndim
        rounding = max(rounding, (taps + 40) * task.unit * norm)
        more += 0.0 if radius is None else 0.05 * task.tol * norm
    floors = floor or Certificate(0.0, 0.0, 0.0, norm)
    error = Certificate(
        max(p.error.l1 for p in pieces) + floors.l1 + more,
        max(p.error.l2 for p in pieces) + floors.l2 + more,
        max(p.error.mean for p in pieces) + floors.mean + (0.0 if family.normalize else more),
        norm,
    )
    bound = error.l1 + rounding
    if task.folds is not None:
        difference, nodes, most = _scattered(pieces, task.folds)
        # What was clipped or cut off: at each offset at most what it is for the widest kernel that it happens to.
        bound = difference + 3 * more * most + rounding * nodes / norm
    return LogSigma((pieces,), split, radius, error, bound, cost)


def _scattered(pieces: tuple[Piece, ...], folds: tuple[str, ...]) -> tuple[float, float, float]:
    """For an image of ones at least what scattered differences add up to at an output, and nodes' kernels.

    An output gets something from many pixels, each with a kernel of its own: at each offset the worst of them counts.
    The last number is how often one offset can count, where what falls outside comes back.
    """
    widest = max((p.family for p in pieces), key=lambda f: f.reach)
    peak, envelope = np.zeros(widest.shape), np.zeros(widest.shape)
    for own in pieces:
        place = tuple(slice(0, n) for n in own.peak.shape)
        peak[place] = np.maximum(peak[place], own.peak)
        envelope[place] = np.maximum(envelope[place], own.envelope)
    times = np.ones(())
    for axis, fold in enumerate(folds):
        distances = np.arange(widest.reach[axis] + 1)
        again = {"none": 0 * distances + 1, "twice": 0 * distances + 2, "edge": distances + 1}[fold]
        times = times[..., None] * (widest.times(axis) * again)
    most = math.prod({"none": 1, "twice": 2, "edge": n}[fold] for fold, n in zip(folds, widest.shape, strict=True))
    return float((times * peak).sum()), float((times * envelope).sum()), float(most)


@functools.lru_cache(128)
def along_axes(families: tuple[Family, ...], ranges: tuple[tuple[float, float], ...], task: Task) -> LogSigma | None:
    """The same for Gaussians with a sigma for each axis; gathered only.

    Every blur along the first axis is blurred by every one along the second: kernels are products, and so are their
    interpolants. With g and h the kernels along the axes, products differ by at most ``|dg| |h| + (|g| + |dg|) |dh|``.
    """
    if task.folds is not None:
        return None
    norms = [norm_of(family, high) for family, (_, high) in zip(families, ranges, strict=True)]
    allowed = task.tol * math.prod(norms)
    share = 0.45
    for _ in range(4):
        single = [
            _attempt(family, None, low, high, False, task, share * task.tol * norm)
            for family, (low, high), norm in zip(families, ranges, norms, strict=True)
        ]
        first, second = single
        if first is None or second is None:
            return None
        made = _product(first, second, task)
        if made.bound <= allowed:
            return made
        share *= 0.5
    return None


def _product(first: LogSigma, second: LogSigma, task: Task) -> LogSigma:
    g, h = first.error, second.error
    (one,), (other,) = first.pieces[0], second.pieces[0]
    error = Certificate(
        g.l1 * h.norm + (g.norm + g.l1) * h.l1,
        g.l2 * h.norm + (g.norm + g.l1) * h.l2,
        g.mean * h.norm + (g.norm + g.l1) * h.mean,
        g.norm * h.norm,
    )
    rounding = (
        one.rounding(task.unit) * (h.norm + h.l1) + (g.norm + g.l1) * one.lebesgue * other.rounding(task.unit)
    ) * 1.01
    cost = (
        costs.CALL
        + costs.COPY * task.outputs / costs.MILLION
        + sum(
            costs.separable(len(line), task.outputs, task.dtype) + other.cost(task.outputs, task.dtype)
            for (line,) in one.blurs
        )
    )
    cost += BLEND * len(one.blurs) * task.outputs / costs.MILLION * costs.width(task.dtype)
    return LogSigma((first.pieces[0], second.pieces[0]), None, None, error, error.l1 + rounding, cost)
