"""`compress`: a few basis kernels and coefficient maps in place of a kernel field, with a certified error.

The field is never an array. The kernels of some well spread pixels say, by their singular value decomposition, in which
directions kernels vary. One pass of the engine then projects the kernel of every pixel on these directions, and a
second one measures what is left of it, so that the error is no estimate: it was looked at everywhere. Where it is too
large, the worst pixels join the sample and the rank grows.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Array, FieldArgument, KernelArgument, PixelArgument
from kernelscape.api.signatures import apply
from kernelscape.config import settings
from kernelscape.errors import ArgumentError, ArgumentTypeError, MemoryBudgetError
from kernelscape.expression import DType, Shape
from kernelscape.kernels.certificate import Certificate
from kernelscape.kernels.checks import without_repeats
from kernelscape.kernels.combination import LowRank
from kernelscape.kernels.field import Blend, Bound, Field, Map
from kernelscape.kernels.materialize import evaluated

FIRST_SAMPLES = 96
"""Pixels whose kernels are looked at first, on a grid with jitter."""
MOST_NODES = 512
"""Kernels at the nodes of a blend that join the sample; of more nodes some, at equal steps."""
WORST = 32
"""Pixels that join the sample where the error is too large: the worst ones of as many blocks."""
TOGETHER = 16
"""Basis kernels on which one pass projects."""


def compress(
    field: Field,
    tol: float,
    shape: Shape | None = None,
    *,
    max_rank: int | None = None,
    workers: int | None = None,
) -> LowRank:
    """Stand for a kernel field with few basis kernels and coefficient maps, without ever holding its kernels.

    Parameters
    ----------
    field : Field
        Any kernel field, of real or complex kernels.
    tol : float
        The largest error: at every pixel the sum of the magnitudes of what the kernels differ by is at most `tol` times
        the largest sum of magnitudes that a kernel of the field has. That is also a bound on the error of gathered
        outputs, as a fraction of the largest magnitude of the image times that sum.
    shape : tuple of int, optional
        The image's extents along the window axes, where the field has no maps that say them.
    max_rank : int, optional
        Give up where more basis kernels would be needed.
    workers : int, optional
        Number of threads; -1 uses all. The result does not depend on it.

    Returns
    -------
    LowRank
        With the certificate in its attribute `error`, in which the error was measured at every pixel. The basis is
        orthonormal. Numbers have the field's dtype for a `tol` of 1e-5 and more, else they are float64.

    Raises
    ------
    ArgumentError
        `tol` is not positive, or so small that rounding forbids it; more than `max_rank` basis kernels are needed; a
        kernel holds NaN or infinities; `shape` is needed and not given.
    ShapeError
        `shape` is not that of the field's maps.
    MemoryBudgetError
        The coefficient maps would be larger than ``settings().memory_budget``.
    ArgumentTypeError
        `field` is no kernel field.

    Notes
    -----
    The kernels of some pixels (a grid with jitter, the corners, the extremes of all maps, the nodes of interpolated
    kernels) are decomposed by their singular values; leading right singular vectors are the basis, each kernel scaled
    by the ratio of its two norms, because the error is a sum of magnitudes [1]_. Two passes over all pixels follow:
    projection, and measuring the error. As long as the error is too large somewhere, the worst pixels join the sample.

    Each pass evaluates the kernel of every pixel once. So this pays for fields that are used often, on many images, or
    with large kernels, whose fixed convolutions go through the FFT.

    References
    ----------
    .. [1] L. Denis, E. Thiébaut, F. Soulez, J.-M. Becker and R. Mourya, "Fast approximations of shift-variant blur",
       International Journal of Computer Vision 115, 2015, pp. 253-278.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> field = ks.kernels.Gaussian(np.linspace(1, 2, 48 * 64).reshape(48, 64), size=9)
    >>> few = ks.kernels.compress(field, tol=1e-3)
    >>> few
    LowRank(5 kernels 9x9, <float64 48x64>)
    >>> few.error.relative <= 1e-3
    True
    >>> bool(np.abs(few.at(20, 30) - field.at(20, 30)).sum() <= few.error.l1)
    True
    """
    if not isinstance(field, Field):
        raise ArgumentTypeError(f"compress() needs a kernel field, as made by kernelscape.kernels; got {field!r}.")
    if isinstance(tol, bool) or not isinstance(tol, int | float | np.floating | np.integer):
        raise ArgumentTypeError(f"tol must be a number; got {tol!r}.")
    if not 0 < tol < math.inf:
        raise ArgumentError(f"tol must be positive and finite; got {tol!r}.")
    most = None if max_rank is None else _count("max_rank", max_rank)
    found = compressed(field, float(tol), _extents(field, shape), most, workers)
    if found is None:
        raise ArgumentError(
            f"max_rank={max_rank} basis kernels do not represent {field!r} to tol={tol}. Allow more, or a larger error."
        )
    return found


def compressed(field: Field, tol: float, extents: Shape, most: int | None, workers: int | None) -> LowRank | None:
    """The field in few kernels; None where these would be more than `most`."""
    job = _Job.of(field, extents, workers)
    samples, rank, share = job.first_samples(), 0, 0.8
    everything = math.prod(job.size) * len(job.fields)
    dtype = job.dtype if tol >= 1e-5 else np.result_type(job.dtype, np.float64)
    while True:
        needed, basis = _basis(samples, share * tol)
        rank = min(max(needed, rank + 1), len(basis))
        if most is not None and rank > most:
            return None
        _check_memory(rank, extents, dtype)
        made = job.projected(basis[:rank], dtype)
        certificate, worst = job.measured(made)
        if certificate.l1 <= tol * certificate.norm:
            return LowRank(*made, error=certificate)
        if rank >= everything:
            raise ArgumentError(
                f"tol={tol} is below what rounding allows; all {rank} directions of the kernels leave an error of "
                f"{certificate.relative:.1e}. Use the field itself."
            )
        samples, share = np.concatenate([samples, worst]), 0.7 * share


def rank_of_samples(field: Field, tol: float, extents: Shape) -> int:
    """How many basis kernels the kernels of some pixels need: a first guess, without a pass over all of them."""
    return _basis(_Job.of(field, extents, None).first_samples(), tol)[0]


def _count(name: str, given: Any) -> int:
    if isinstance(given, bool | np.bool_) or not hasattr(given, "__index__"):
        raise ArgumentTypeError(f"{name} must be an integer; got {given!r}.")
    if operator.index(given) < 1:
        raise ArgumentError(f"{name} must be at least 1; got {given!r}.")
    return operator.index(given)


def _extents(field: Field, shape: Any) -> Shape:
    """The image's extents; whether they are those of the maps is seen when the field is bound."""
    if shape is None:
        if field.extents is None:
            raise ArgumentError(f"{field!r} fits images of all extents; say which: compress(..., shape=(H, W)).")
        return field.extents
    return tuple(_count("Each extent in shape", n) for n in (shape if isinstance(shape, tuple | list) else (shape,)))


def _check_memory(rank: int, extents: Shape, dtype: DType) -> None:
    needed, budget = rank * math.prod(extents) * dtype.itemsize, settings().memory_budget
    if needed > budget:
        raise MemoryBudgetError(
            f"The {rank} coefficient maps that are needed would take {needed / 1e9:.1f} GB as {dtype}; the memory "
            f"budget is {budget / 1e9:.1f} GB. Allow a larger error (tol), or, where the memory is there: "
            f"with ks.configure(memory_budget={needed}): ..."
        )


# -- the basis ---------------------------------------------------------------------------------------------------------


def _basis(samples: Array, tol: float) -> tuple[int, Array]:
    """Orthonormal directions of kernels, the most important first; and how many of them the samples need for `tol`."""
    from scipy.linalg import svd

    sums, roots = np.abs(samples).sum(1), np.sqrt((samples * samples).sum(1))
    # What is left of a wide kernel counts more in a sum of magnitudes than in a sum of squares.
    scale = np.divide(sums, roots, out=np.ones_like(sums), where=roots > 0)
    basis = svd(samples * scale[:, None], full_matrices=False)[2]
    left, limit = samples.copy(), tol * sums.max(initial=0.0)
    for rank, direction in enumerate(basis, start=1):
        left -= np.outer(left @ direction, direction)
        if np.abs(left).sum(1).max() <= limit:
            return rank, basis
    return len(basis), _completed(basis)


def _completed(basis: Array) -> Array:
    """One more direction, where the sample has no more: the tap that the others represent worst."""
    size = basis.shape[1]
    if len(basis) == size:
        return basis
    tap = int(np.argmin((basis * basis).sum(0)))
    more = -(basis[:, tap] @ basis)
    more[tap] += 1.0
    for _ in range(2):
        more -= (basis @ more) @ basis
        more /= math.sqrt(float(more @ more))
    return np.concatenate([basis, more[None]])


# -- a field on an image -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A field, or the real and imaginary parts of one, on an image of known extents."""

    fields: tuple[Field, ...]
    bounds: tuple[Bound | Blend, ...]
    extents: Shape
    size: Shape
    dtype: DType
    workers: int | None

    @staticmethod
    def of(field: Field, extents: Shape, workers: int | None) -> _Job:
        whole = field.bound(extents)
        if not all(extents):
            raise ArgumentError(f"compress() needs an image with at least one pixel; got shape={extents}.")
        parts = (field.real,) if field.imag is None else (field.real, field.imag)
        bounds = tuple(replace(part.bound(extents), dtype=np.dtype(np.float64)) for part in parts)
        return _Job(parts, bounds, extents, whole.size, whole.dtype, workers)

    # -- the sample --------------------------------------------------------------------------------------------------

    def first_samples(self) -> Array:
        """The kernels of some pixels, one per row; real and imaginary part one behind the other."""
        places = {*_jittered(self.extents, FIRST_SAMPLES), *itertools.product(*((0, n - 1) for n in self.extents))}
        for bound in self.bounds:
            places.update(extremes(bound))
        samples = [self.kernels(sorted(places))]
        blends = [bound for bound in self.bounds if isinstance(bound, Blend)]
        if blends:
            nodes = range(0, len(blends[0].kernels), 1 + (len(blends[0].kernels) - 1) // MOST_NODES)
            lines = [blend.kernels[list(nodes)].reshape(len(nodes), -1).astype(np.float64) for blend in blends]
            known = np.concatenate(lines, axis=1)
            samples.append(known[np.isfinite(known).all(1)])
        return np.concatenate(samples)

    def kernels(self, places: Sequence[tuple[int, ...]]) -> Array:
        rows = []
        for place in places:
            region = tuple(slice(p, p + 1) for p in place)
            row = np.concatenate([evaluated(bound, region).ravel() for bound in self.bounds])
            if not np.isfinite(row).all():
                raise _not_finite(place)
            rows.append(row)
        return np.stack(rows)

    # -- two passes over all pixels ----------------------------------------------------------------------------------

    def projected(self, basis: Array, dtype: DType) -> tuple[Array, Array]:
        """The basis as kernels of `dtype`, and the coefficients of every pixel's kernel."""
        parts = basis.reshape(len(basis), len(self.fields), *self.size)
        real = np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype
        whole = (parts[:, 0] + 1j * parts[:, 1] if len(self.fields) > 1 else parts[:, 0]).astype(dtype)
        coefficients = np.empty((len(basis), *self.extents), real)
        for first in range(0, len(basis), TOGETHER):
            some = slice(first, min(first + TOGETHER, len(basis)))
            directions = [KernelArgument(np.ascontiguousarray(parts[some, n])) for n in range(len(self.fields))]
            function = _projection(len(self.fields), some.stop - some.start)
            targets = tuple(coefficients[some])
            self._pass(function, directions, targets if len(targets) > 1 else targets[0])
        return whole, coefficients

    def measured(self, made: tuple[Array, Array]) -> tuple[Certificate, Array]:
        """How far kernels with some coefficients are from the field's, and the kernels of the worst pixels."""
        basis, coefficients = made
        wide = [basis.real, basis.imag][: len(self.fields)]
        arguments: list[Any] = [KernelArgument(np.ascontiguousarray(b, np.float64)) for b in wide]
        arguments += [PixelArgument(c) for c in coefficients]
        found = np.empty((4, *self.extents), np.float32)
        self._pass(_measurement(len(self.fields), len(basis)), arguments, tuple(found))
        if not np.isfinite(found[3]).all():
            raise _not_finite(np.unravel_index(int(np.argmin(np.isfinite(found[3]))), self.extents))
        l1, l2, mean, norm = (float(f.max()) for f in found)
        taps, rank, unit = math.prod(self.size), len(basis), 2.0**-53
        # Of the differences: products, and their sum, of which each is at most as large as the kernel's root of squares
        # times that of the basis kernel. Of the sums: as many terms as there are taps. Of the maps: float32.
        each = (rank + 4) * unit * (1 + rank * math.sqrt(taps)) * norm
        up = (1 + (taps + 4) * unit) * (1 + 2.0**-23)
        certificate = Certificate(l1 * up + each, l2 * up + each, mean * up + each, norm * (2 - up))
        return certificate, self.kernels(_worst(found[0]))

    def _pass(self, function: Callable[..., Any], arguments: list[Any], output: Any) -> None:
        # The image is of no interest, and one number in memory.
        image = np.broadcast_to(np.zeros((), np.float64), self.extents)
        kernels = [FieldArgument(field) for field in self.fields]
        apply(
            function, image, *kernels, *arguments, size=self.size, output=output, method="traced", workers=self.workers
        )


def _not_finite(place: Sequence[Any]) -> ArgumentError:
    where = tuple(int(p) for p in place)
    return ArgumentError(
        f"compress() needs kernels of finite numbers; the one at {where} holds NaN or infinities. Replace them, "
        "numpy.nan_to_num(array), or use the field itself."
    )


@functools.lru_cache(64)
def _projection(parts: int, count: int) -> Callable[..., Any]:
    """Sums of products of a kernel, in parts, with basis kernels."""

    def projection(window: Any, *values: Any) -> Any:
        kernels, directions = values[:parts], values[parts:]
        sums = []
        for j in range(count):
            products = [k * b[j] for k, b in zip(kernels, directions, strict=True)]
            sums.append(np.sum(products[0] if parts == 1 else products[0] + products[1]))
        return tuple(sums) if count > 1 else sums[0]

    return projection


@functools.lru_cache(64)
def _measurement(parts: int, rank: int) -> Callable[..., Any]:
    """Norms of what a kernel differs by from a combination, and of the kernel."""

    def measurement(window: Any, *values: Any) -> Any:
        kernels, basis, coefficients = values[:parts], values[parts : 2 * parts], values[2 * parts :]
        left = list(kernels)
        for n in range(parts):
            for j in range(rank):
                left[n] = left[n] - coefficients[j].astype(np.float64) * basis[n][j]
        if parts == 1:
            size, weight, mean = np.abs(left[0]), np.abs(kernels[0]), np.abs(np.sum(left[0]))
        else:
            size, weight = np.hypot(left[0], left[1]), np.hypot(kernels[0], kernels[1])
            mean = np.hypot(np.sum(left[0]), np.sum(left[1]))
        return np.sum(size), np.sqrt(np.sum(size * size)), mean, np.sum(weight)

    return measurement


# -- pixels ------------------------------------------------------------------------------------------------------------


def _jittered(extents: Shape, count: int) -> list[tuple[int, ...]]:
    """About so many positions, one in each cell of a grid of nearly square cells, and always the same."""
    side = (math.prod(extents) / count) ** (1 / len(extents))
    cells = [max(1, min(n, math.ceil(n / max(side, 1.0)))) for n in extents]
    jitter = np.random.default_rng(0).random((math.prod(cells), len(extents)))
    corners = np.indices(cells).reshape(len(extents), -1).T
    places = (corners + jitter) * np.array(extents) / np.array(cells)
    return [tuple(map(int, p)) for p in np.minimum(places.astype(np.int64), np.array(extents) - 1)]


def extremes(bound: Bound | Blend) -> list[tuple[int, ...]]:
    """Where the maps that a field reads are smallest and largest."""
    maps = [part.array for part in bound.parts if isinstance(part, Map)] if isinstance(bound, Bound) else []
    places = [(array, int(at)) for array in map(without_repeats, maps) for at in (array.argmin(), array.argmax())]
    return [tuple(int(i) for i in np.unravel_index(at, array.shape)) for array, at in places]


def _worst(errors: Array) -> list[tuple[int, ...]]:
    """The pixels with the largest errors, each of another part of the image."""
    side = (math.prod(errors.shape) / WORST) ** (1 / errors.ndim)
    steps = [max(1, math.ceil(side)) for _ in errors.shape]
    found = []
    for block in itertools.product(*(range(0, n, s) for n, s in zip(errors.shape, steps, strict=True))):
        part = errors[tuple(slice(b, b + s) for b, s in zip(block, steps, strict=True))]
        inside = np.unravel_index(int(part.argmax()), part.shape)
        found.append((float(part.max()), tuple(int(b + i) for b, i in zip(block, inside, strict=True))))
    found.sort(reverse=True)
    return [place for _, place in found[:WORST]]
