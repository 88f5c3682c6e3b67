"""Kernels that are a product of one line of weights for each axis, given for every pixel."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import Any

from kernelscape.errors import ArgumentTypeError, ShapeError
from kernelscape.expression import Shape
from kernelscape.kernels import checks
from kernelscape.kernels.dense import as_computed, own_dtype
from kernelscape.kernels.field import Array, Bound, Elements, Field, Offsets
from kernelscape.kernels.words import shown


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Separable(Field):
    """A product of lines of weights for every pixel: kernels of rank 1.

    Parameters
    ----------
    *factors : array_like
        One for each window axis: factor a has the shape ``extents + (k_a,)``, k_a being the size of the window along
        axis a. In two dimensions that is ``Separable(columns, rows)``, with the vertical weights of shape
        ``(H, W, kh)`` and the horizontal ones of shape ``(H, W, kw)``. Integers, float16, float32 or float64, in any
        memory order; views are used as they are, and nothing is copied: do not change the arrays while the field is
        in use.

    Raises
    ------
    ShapeError
        A factor has another number of axes, other extents than the first one, or no weights. An image whose extents
        are not those of the factors is refused when the field is used with it.
    ArgumentTypeError, NotYetSupportedError
        A factor is no array of real numbers, or one that carries more than numbers. The real part of a product of
        complex lines is no such product: use `Dense`.

    Examples
    --------
    >>> import numpy as np
    >>> from kernelscape.kernels import Separable
    >>> columns = np.broadcast_to([1.0, 2.0, 1.0], (4, 5, 3))
    >>> rows = np.ones((4, 5, 2))
    >>> field = Separable(columns, rows)
    >>> field
    Separable(<float64 4x5, kernels 3x2>)
    >>> field.at(0, 0)
    array([[1., 1.],
           [2., 2.],
           [1., 1.]])
    """

    factors: tuple[Array, ...]

    def __init__(self, *factors: Any) -> None:
        if not factors:
            raise ArgumentTypeError("Separable needs one factor for each window axis, as Separable(columns, rows).")
        arrays = tuple(checks.as_numbers(f"factor {a} of Separable", f) for a, f in enumerate(factors))
        for axis, array in enumerate(arrays):
            if array.ndim != len(arrays) + 1:
                raise ShapeError(
                    f"With {len(arrays)} factors each must have {len(arrays)} axes of the image and one of weights; "
                    f"got factor {axis} of shape {array.shape}."
                )
            if array.shape[:-1] != arrays[0].shape[:-1]:
                raise ShapeError(
                    "The factors of Separable must have the same extents, those of the image; got shapes "
                    f"{', '.join(str(f.shape) for f in arrays)}."
                )
            if not array.shape[-1]:
                raise ShapeError(f"A factor of Separable must have weights; got factor {axis} of shape {array.shape}.")
        object.__setattr__(self, "factors", arrays)

    def __repr__(self) -> str:
        dtype, size = own_dtype(*self.factors), tuple(f.shape[-1] for f in self.factors)
        return f"Separable(<{dtype} {shown(self.extents)}, kernels {shown(size)}>)"

    @property
    def extents(self) -> Shape:
        """The extents of the images that the field is for."""
        extents: Shape = self.factors[0].shape[:-1]
        return extents

    def bound(self, extents: Shape) -> Bound:
        """The field on an image with these extents; refuses others than those of the factors."""
        if self.extents != tuple(extents):
            raise ShapeError(
                f"Separable needs {len(extents)} factors of shape {tuple(extents)} + (weights,), for an image with "
                f"{tuple(extents)}; got shapes {', '.join(str(f.shape) for f in self.factors)}."
            )
        return Bound(
            tuple(f.shape[-1] for f in self.factors),
            own_dtype(*self.factors),
            tuple(Elements(_along(f, axis)) for axis, f in enumerate(self.factors)),
            _weights,
            factors=_factors,
        )


def _along(factor: Array, axis: int) -> Array:
    """The weights on their axis of the window; a view."""
    ndim = factor.ndim - 1
    return factor[(..., *(slice(None) if a == axis else None for a in range(ndim)))]


def _weights(offsets: Offsets, *values: Any) -> Any:
    return functools.reduce(operator.mul, _factors(offsets, *values))


def _factors(offsets: Offsets, *values: Any) -> tuple[Any, ...]:
    return tuple(as_computed(value, offsets) for value in values)
