"""Discs whose radius may be another at every pixel: the blur of a lens that is out of focus."""

from __future__ import annotations

import functools
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np

from kernelscape.expression import Shape
from kernelscape.geometry import canonical_size
from kernelscape.kernels import checks, distances
from kernelscape.kernels.dense import as_computed
from kernelscape.kernels.field import Array, Bound, Field, Offsets
from kernelscape.kernels.windows import checked_map, largest_radius, own_factors, radius_dtype, takes_part, window_sum
from kernelscape.kernels.words import described, shown


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Disc(Field):
    """Even discs with a soft edge, of a radius that may follow a map.

    The weight of the sample at offset d from the pixel is ``clip(radius + 0.5 - |d|, 0, 1)``, divided by the sum over
    the pixel's own window. So the edge is one sample wide and linear in the distance: full weight up to
    ``radius - 0.5``, none from ``radius + 0.5`` on; and kernels change continuously with the radius.

    Parameters
    ----------
    radius : float or array_like
        In samples: a number, or a map of the image's extents along the window axes, in any number of dimensions. 0 is
        the identity (a pixel in focus).
    size : int or tuple of int, optional
        The window of every pixel, even sizes too; larger discs are cut off there. Without it each pixel has a window of
        its own: samples farther than ``max(ceil(radius - 0.5), 0)`` along some axis do not take part.

    Raises
    ------
    ArgumentError
        A radius is negative, NaN or infinite; the first such pixel is named.
    ShapeError
        When the field is used with an image whose extents are not those of the map.
    ArgumentTypeError, NotYetSupportedError
        The map is no array of real numbers, or one that carries more than numbers.

    Notes
    -----
    The map is not copied; do not change it while the field is in use. In addition to it the field keeps each pixel's
    own radius in whole samples, one byte per pixel up to a radius of 255, two above.

    Examples
    --------
    >>> import numpy as np
    >>> from kernelscape.kernels import Disc
    >>> field = Disc(np.array([0.0, 1.0, 2.5]))
    >>> field
    Disc(radius=<float64 3>, size=5)
    >>> field.at(0)
    array([0., 0., 1., 0., 0.])
    >>> field.at(1)
    array([0.  , 0.25, 0.5 , 0.25, 0.  ])
    """

    radius: Any
    _: KW_ONLY
    size: Any = None
    _own: Array | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        radius = checked_map("radius", self.radius, least=0.0)
        object.__setattr__(self, "radius", radius)
        object.__setattr__(self, "size", None if self.size is None else checks.as_size(self.size))
        object.__setattr__(self, "_own", _own_radius(radius) if self.size is None else None)

    def __repr__(self) -> str:
        size = self.size
        if self._own is not None and self.extents is not None:
            size = shown(self._own_size(len(self.extents)))
        return f"Disc(radius={described(self.radius)}{'' if size is None else f', size={size}'})"

    @property
    def extents(self) -> Shape | None:
        """The shape of the map; None for a number."""
        return checks.common_extents([("radius", self.radius)])

    @property
    def ndim(self) -> int | None:
        return checks.common_ndim(self.extents, self.size)

    def _own_size(self, ndim: int) -> tuple[int, ...]:
        """The window that holds those of all pixels."""
        assert self._own is not None
        return (2 * int(checks.without_repeats(self._own).max(initial=0)) + 1,) * ndim

    def bound(self, extents: Shape) -> Bound:
        """The field on an image with these extents; refuses others than those of the map."""
        ndim = len(extents)
        checks.check_extents("Disc", self.extents, extents)
        own = (self._own,) if self._own is not None and self._own.ndim else ()
        return Bound(
            canonical_size(self.size, ndim) if self._own is None else self._own_size(ndim),
            checks.floating_dtype(self.radius),
            tuple(checks.part_of(a) for a in (self.radius, *own)),
            _weights,
            scale=functools.partial(_scale, len(own)),
            takes_part=functools.partial(takes_part, 1) if own else None,
            own_factors=functools.partial(own_factors, 1) if own else None,
            reach=functools.partial(largest_radius, own) if own else None,
        )


def _own_radius(radius: Array) -> Array:
    widest = float(checks.without_repeats(radius).max(initial=0))
    dtype = radius_dtype(widest, f"a disc of radius {widest}")
    (own,) = checks.transformed(lambda block: (np.maximum(np.ceil(block - 0.5), 0.0),), (radius,), dtype)
    return own


def _weights(offsets: Offsets, radius: Any, *own: Any) -> Any:
    return np.clip(as_computed(radius, offsets) + 0.5 - distances.from_pixel(offsets), 0.0, 1.0)


def _scale(count: int, offsets: Offsets, radius: Any, *own: Any) -> Any:
    inside = takes_part(count, offsets, *own) if count else None
    return 1.0 / window_sum(_weights(offsets, radius), inside, len(offsets))
