"""Gaussian kernels whose width, and direction, may be another at every pixel."""

from __future__ import annotations

import functools
import operator
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np

from kernelscape.errors import ArgumentError, ShapeError
from kernelscape.expression import Shape
from kernelscape.geometry import canonical_size
from kernelscape.kernels import checks, distances
from kernelscape.kernels.dense import as_computed
from kernelscape.kernels.field import Array, Bound, Field, Offsets
from kernelscape.kernels.windows import checked_map, largest_radius, own_factors, radius_dtype, takes_part, window_sum
from kernelscape.kernels.words import described, shown

NARROWEST = 0.02
"""Standard deviations below this one count as it. ``exp(-0.5 / 0.02**2)`` is 0 in float64, so that a kernel along an
axis of the image is the identity for all of them; and ``0.5 / 0.02**2`` is a number of moderate size, so that nothing
overflows and 0 * inf does not arise."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Gaussian(Field):
    """Gaussian kernels: isotropic, along the axes, or in any direction.

    The weight of the sample at offset d from the pixel is ``exp(-(d^T S^-1 d) / 2)``, S being the covariance at the
    pixel, divided by the sum over the pixel's own window.

    Parameters
    ----------
    sigma : float or array_like
        Standard deviation in samples: a number, or a map of the image's extents along the window axes. Alone it is
        that of all axes, in any number of dimensions. 0 is the identity (a pixel in focus).
    sigma2 : float or array_like, optional
        Standard deviation along axis 1; that along axis 0 is `sigma`. Two dimensions only.
    angle : float or array_like, optional
        In radians. The axis of `sigma` points along ``(cos(angle), sin(angle))`` in (y, x), that of `sigma2` along
        ``(-sin(angle), cos(angle))``. Needs `sigma2`.
    size : int or tuple of int, optional
        The window of every pixel, even sizes too. Without it each pixel has a window of its own, as below.
    truncate : float
        Without `size`, samples farther than ``r = int(truncate * s + 0.5)`` along some axis do not take part, s being
        the pixel's standard deviation along that axis: `sigma`; `sigma` and `sigma2`; or, with an angle a,
        ``sqrt(sigma**2 * cos(a)**2 + sigma2**2 * sin(a)**2)`` along axis 0 and
        ``sqrt(sigma**2 * sin(a)**2 + sigma2**2 * cos(a)**2)`` along axis 1.
    normalize : bool
        Whether the weights of each pixel have the sum 1.

    Raises
    ------
    ArgumentError
        A sigma is negative, NaN or infinite, an angle is NaN or infinite; the first such pixel is named.
    ShapeError
        The maps have different shapes, or `sigma2` stands beside a map that is not two-dimensional. An image whose
        extents are not those of the maps is refused when the field is used with it.
    ArgumentTypeError, NotYetSupportedError
        A map is no array of real numbers, or one that carries more than numbers.

    Notes
    -----
    Maps are not copied; do not change them while the field is in use. In addition to them the field keeps each pixel's
    own radius, one byte per pixel (and axis, with `sigma2`) up to a radius of 255, two above. The radii and whether a
    map is in order are found out when the field is made, in one pass over the maps.

    Standard deviations below 0.02 samples count as 0.02. Along the axes that makes no difference, since all samples
    but the pixel's own then have weights below the smallest float64. In an oriented kernel a `sigma2` of 0 is
    therefore a thin line, and both 0 is the identity.

    A field of numbers only is one kernel for all pixels, the one of `scipy.ndimage.gaussian_filter` with the same
    `sigma` and `truncate`.

    Examples
    --------
    >>> import numpy as np
    >>> from kernelscape.kernels import Gaussian
    >>> sigma = np.linspace(0, 2, 20).reshape(4, 5)
    >>> field = Gaussian(sigma)
    >>> field
    Gaussian(sigma=<float64 4x5>, size=17x17)
    >>> field.at(0, 0).sum(), field.at(0, 0)[8, 8]
    (np.float64(1.0), np.float64(1.0))
    >>> Gaussian(1.0, truncate=1).at(3).round(3)
    array([0.274, 0.452, 0.274])
    """

    sigma: Any
    sigma2: Any = None
    _: KW_ONLY
    angle: Any = None
    size: Any = None
    truncate: float = 4.0
    normalize: bool = True
    _radii: tuple[Array, ...] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        found = {"sigma": checked_map("sigma", self.sigma, least=0.0)}
        if self.sigma2 is not None:
            found["sigma2"] = checked_map("sigma2", self.sigma2, least=0.0)
        if self.angle is not None:
            if self.sigma2 is None:
                raise ArgumentError(
                    f"angle turns the axes of sigma and sigma2; got angle={self.angle!r} and no sigma2."
                )
            found["angle"] = checked_map("angle", self.angle)
            if not found["angle"].ndim and not found["angle"].any():
                del found["angle"]  # along the axes, where kernels are separable
        for name in ("sigma", "sigma2", "angle"):
            object.__setattr__(self, name, found.get(name))
        extents = checks.common_extents(list(found.items()))
        if self.sigma2 is not None and extents is not None and len(extents) != 2:
            raise ShapeError(f"sigma2 and angle have a meaning in two dimensions; got maps of shape {extents}.")
        object.__setattr__(self, "size", None if self.size is None else checks.as_size(self.size))
        object.__setattr__(self, "truncate", checks.as_number("truncate", self.truncate))
        object.__setattr__(self, "normalize", checks.as_switch("normalize", self.normalize))
        object.__setattr__(self, "_radii", _radii(self) if self.size is None else None)

    def __repr__(self) -> str:
        words = [f"sigma={described(self.sigma)}"]
        words += [f"{n}={described(v)}" for n, v in (("sigma2", self.sigma2), ("angle", self.angle)) if v is not None]
        if self.size is not None:
            words.append(f"size={self.size}")
        elif self.extents is not None:
            words.append(f"size={shown(self._own_size(len(self.extents)))}")
        if self.size is None and self.truncate != 4.0:
            words.append(f"truncate={self.truncate}")
        return f"Gaussian({', '.join(words)}{'' if self.normalize else ', normalize=False'})"

    @property
    def extents(self) -> Shape | None:
        """The shape of the maps; None where there are none."""
        return checks.common_extents([("sigma", a) for a in self._maps()])

    @property
    def ndim(self) -> int | None:
        if self.sigma2 is not None:
            return 2
        return checks.common_ndim(self.extents, self.size)

    def _maps(self) -> tuple[Array, ...]:
        return tuple(a for a in (self.sigma, self.sigma2, self.angle) if a is not None)

    def _own_size(self, ndim: int) -> tuple[int, ...]:
        """The window that holds those of all pixels."""
        assert self._radii is not None
        largest = [2 * int(checks.without_repeats(r).max(initial=0)) + 1 for r in self._radii]
        return tuple(largest) if len(largest) == ndim else (largest[0],) * ndim

    def bound(self, extents: Shape) -> Bound:
        ndim = len(extents)
        checks.check_extents("Gaussian", self.extents, extents)
        if self.sigma2 is not None and ndim != 2:
            raise ShapeError(
                f"sigma2 and angle have a meaning in two dimensions; got an image with {ndim} window axes. Name two of "
                "them with axes=."
            )
        size = canonical_size(self.size, ndim) if self._radii is None else self._own_size(ndim)
        maps, radii = self._maps(), self._radii or ()
        own = any(r.ndim for r in radii)
        kind = ("isotropic", "axes", "oriented")[len(maps) - 1]
        parts = tuple(checks.part_of(a) for a in (maps + radii if own else maps))
        return Bound(
            size,
            checks.floating_dtype(*maps),
            parts,
            functools.partial(_weights, kind),
            scale=functools.partial(_scale, kind, len(radii) if own else 0) if self.normalize else None,
            takes_part=functools.partial(takes_part, len(radii)) if own else None,
            factors=functools.partial(_factors, kind) if kind != "oriented" else None,
            own_factors=functools.partial(own_factors, len(radii)) if own else None,
            reach=functools.partial(largest_radius, radii) if own else None,
            is_even=kind != "oriented",
        )


# -- each pixel's own window -------------------------------------------------------------------------------------------


def _radii(field: Gaussian) -> tuple[Array, ...]:
    """The radius along each axis, or one for all axes; in the narrowest integers that hold them."""
    widest = max(float(checks.without_repeats(s).max(initial=0)) for s in field._maps()[:2])
    dtype = radius_dtype(field.truncate * widest + 0.5, f"truncate={field.truncate} times a sigma of {widest}")

    def along(*spreads: Array) -> tuple[Array, ...]:
        return tuple(field.truncate * spread + 0.5 for spread in spreads)

    if field.angle is not None:
        return checks.transformed(lambda *maps: along(*_spreads(*maps)), field._maps(), dtype, 2)
    return tuple(checks.transformed(along, (sigma,), dtype)[0] for sigma in field._maps())


def _spreads(sigma: Array, sigma2: Array, angle: Array) -> tuple[Array, Array]:
    """The standard deviations along the axes of the image."""
    cosine, sine = np.cos(angle) ** 2, np.sin(angle) ** 2
    first, second = sigma**2, sigma2**2
    return np.sqrt(first * cosine + second * sine), np.sqrt(first * sine + second * cosine)


# -- weights -----------------------------------------------------------------------------------------------------------


def _weights(kind: str, offsets: Offsets, *values: Any) -> Any:
    if kind == "oriented":
        return _oriented(offsets, *values[:3])
    rates = _rates(kind, offsets, values)
    if all(_of_one_pixel(rate, len(offsets)) for rate in rates):
        return functools.reduce(operator.mul, _factors(kind, offsets, *values))
    # A value for each sample: nothing is shared along the axes, so one exponential is less than one for each axis.
    return np.exp(functools.reduce(operator.add, (rate * (d * d) for rate, d in zip(rates, offsets, strict=True))))


def _factors(kind: str, offsets: Offsets, *values: Any) -> tuple[Any, ...]:
    rates = _rates(kind, offsets, values)
    if any(rate.ndim for rate in rates) or not distances.known(offsets):
        return tuple(np.exp(rate * (d * d)) for rate, d in zip(rates, offsets, strict=True))
    if kind == "isotropic":
        return _shared_exponentials(rates[0], offsets)
    return tuple(_shared_exponentials(rate, (d,))[0] for rate, d in zip(rates, offsets, strict=True))


def _shared_exponentials(rate: Any, offsets: Offsets) -> tuple[Any, ...]:
    """``exp(rate * d**2)`` along each axis, with one exponential for each distinct distance."""
    squares, places = distances.distinct_squares(offsets)
    exponentials = np.exp(rate * squares)
    return tuple(exponentials[place] for place in places)


def _oriented(offsets: Offsets, sigma: Any, sigma2: Any, angle: Any) -> Any:
    dy, dx = offsets
    turn = as_computed(angle, offsets)
    cosine, sine = np.cos(turn), np.sin(turn)
    along, across = dy * cosine + dx * sine, dx * cosine - dy * sine
    return np.exp(_rate(sigma, offsets) * (along * along) + _rate(sigma2, offsets) * (across * across))


def _scale(kind: str, own: int, offsets: Offsets, *values: Any) -> Any:
    """The reciprocal of the sum over the pixel's own window; `own` is how many radii there are."""
    if kind == "oriented":
        inside = takes_part(own, offsets, *values) if own else None
        return 1.0 / window_sum(_oriented(offsets, *values[:3]), inside, len(offsets))
    factors = _factors(kind, offsets, *values)
    insides = own_factors(own, offsets, *values) if own else (None,) * len(offsets)
    if kind == "isotropic" and distances.known(offsets) and len({d.tobytes() for d in offsets}) == 1:
        sums = [window_sum(factors[0], insides[0], len(offsets))] * len(offsets)
    else:
        sums = [window_sum(factor, inside, len(offsets)) for factor, inside in zip(factors, insides, strict=True)]
    return 1.0 / functools.reduce(operator.mul, sums)


def _rates(kind: str, offsets: Offsets, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """``-1 / (2 sigma^2)`` for each axis."""
    if kind == "isotropic":
        return (_rate(values[0], offsets),) * len(offsets)
    return _rate(values[0], offsets), _rate(values[1], offsets)


def _rate(sigma: Any, offsets: Offsets) -> Any:
    wide = np.maximum(as_computed(sigma, offsets), NARROWEST)
    return -0.5 / (wide * wide)


def _of_one_pixel(value: Any, ndim: int) -> bool:
    """Whether a value is the same for all samples of the window."""
    return all(n == 1 for n in value.shape[-ndim:])
