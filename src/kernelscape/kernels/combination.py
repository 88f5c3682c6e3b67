"""Kernels that are sums of a few basis kernels, with coefficients that vary over the image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kernelscape.errors import ShapeError
from kernelscape.expression import Shape
from kernelscape.kernels import checks
from kernelscape.kernels.certificate import Certificate
from kernelscape.kernels.dense import as_computed
from kernelscape.kernels.field import Array, Bound, Coordinate, Field, Map, Offsets, Table
from kernelscape.kernels.words import shown


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Chebyshev:
    """Polynomials in the position, one for each basis kernel of a `Combination`.

    The coefficient j of the pixel at p is ``sum over a, b, ... of coefficients[j, a, b, ...] T_a(u_0) T_b(u_1) ...``
    with the Chebyshev polynomials T and the coordinates mapped to [-1, 1]: ``u = 2 p / (n - 1) - 1`` along an axis of
    n samples, and 0 where n is 1.

    Parameters
    ----------
    coefficients : array_like
        Of shape ``(m, n_0, n_1, ...)``: for each basis kernel, an axis for each window axis, with one more entry than
        the polynomial's degree along it. Real numbers.

    Raises
    ------
    ShapeError
        There is no axis of the image, or an axis of extent 0.
    ArgumentTypeError, NotYetSupportedError
        It is no array of real numbers.

    See Also
    --------
    numpy.polynomial.chebyshev.chebval2d : the same sum for one basis kernel.

    Examples
    --------
    >>> from kernelscape.kernels import Chebyshev, Combination
    >>> ramp = Chebyshev([[[0.5, 0.5]], [[0.5, -0.5]]])
    >>> ramp
    Chebyshev(2 polynomials, degrees 0x1)
    >>> field = Combination([[[1.0]], [[10.0]]], ramp)
    >>> [float(field.at(0, x, shape=(1, 5))[0, 0]) for x in range(5)]
    [10.0, 7.75, 5.5, 3.25, 1.0]
    """

    coefficients: Any

    def __post_init__(self) -> None:
        array = checks.as_numbers("coefficients", self.coefficients)
        if array.ndim < 2 or not array.size:
            raise ShapeError(
                "The coefficients of Chebyshev must have the shape (m, n_0, n_1, ...), with an axis for each axis of "
                f"the image and none of extent 0; got shape {array.shape}."
            )
        object.__setattr__(self, "coefficients", array)

    def __repr__(self) -> str:
        degrees = shown(tuple(n - 1 for n in self.coefficients.shape[1:]))
        return f"Chebyshev({len(self.coefficients)} polynomials, degrees {degrees})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Combination(Field):
    """At each pixel a sum of the same few basis kernels, each times a coefficient of the pixel.

    Parameters
    ----------
    basis : array_like
        The m basis kernels, of shape ``(m, *size)``; real or complex.
    coefficients : array_like or Chebyshev
        Maps of shape ``(m, *extents)``, one for each basis kernel, of real numbers; or polynomials in the position,
        for images of all extents. Neither is copied: do not change the arrays while the field is in use.

    Raises
    ------
    ShapeError
        There is not one map, or one polynomial, for each basis kernel; the numbers of axes do not match; a basis kernel
        is empty. An image whose extents are not those of the maps is refused when the field is used with it.
    ArgumentTypeError, NotYetSupportedError
        `basis` or `coefficients` is no array of numbers, or one that carries more than numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from kernelscape.kernels import Combination
    >>> sharp, blurred = [0.0, 1.0, 0.0], [0.25, 0.5, 0.25]
    >>> share = np.linspace(0, 1, 5)
    >>> field = Combination([sharp, blurred], [1 - share, share])
    >>> field
    Combination(2 kernels 3, <float64 5>)
    >>> field.at(2)
    array([0.125, 0.75 , 0.125])
    """

    basis: Any
    coefficients: Any

    def __post_init__(self) -> None:
        name = type(self).__name__
        basis = checks.as_numbers("basis", self.basis, complex_too=True)
        if basis.ndim < 2 or not basis.size:
            raise ShapeError(
                f"The basis of a {name} must have the shape (m, kh, kw), with an axis for the kernels and then one for "
                f"each axis of the image, none of extent 0; got shape {basis.shape}."
            )
        given = self.coefficients
        if not isinstance(given, Chebyshev):
            given = checks.as_numbers("coefficients", given)
        found = given.coefficients.shape if isinstance(given, Chebyshev) else given.shape
        what = "polynomials" if isinstance(given, Chebyshev) else "maps"
        if not found or found[0] != len(basis):
            raise ShapeError(
                f"A {name} needs one coefficient for each basis kernel; got {len(basis)} kernels (basis of shape "
                f"{basis.shape}) and {found[0] if found else 'no'} {what} (coefficients of shape {found})."
            )
        if len(found) != basis.ndim:
            raise ShapeError(
                f"The basis kernels of this {name} have {basis.ndim - 1} axes, and so must the image; got {what} with "
                f"{len(found) - 1} (coefficients of shape {found})."
            )
        object.__setattr__(self, "basis", basis)
        object.__setattr__(self, "coefficients", given)

    def __repr__(self) -> str:
        given = self.coefficients
        maps = given if isinstance(given, Chebyshev) else f"<{given.dtype} {shown(given.shape[1:])}>"
        return f"{type(self).__name__}({len(self.basis)} kernels {shown(self.basis.shape[1:])}, {maps})"

    @property
    def extents(self) -> Shape | None:
        """The extents of the maps; None with polynomials."""
        if isinstance(self.coefficients, Chebyshev):
            return None
        extents: Shape = self.coefficients.shape[1:]
        return extents

    @property
    def ndim(self) -> int:
        return int(self.basis.ndim) - 1

    @property
    def needs_extents(self) -> bool:
        """Polynomials do: coordinates are mapped to [-1, 1]."""
        return isinstance(self.coefficients, Chebyshev)

    @property
    def real(self) -> Field:
        """The combination of the real parts of the basis kernels."""
        return replace(self, basis=self.basis.real) if self.basis.dtype.kind == "c" else self

    @property
    def imag(self) -> Field | None:
        """The combination of the imaginary parts of the basis kernels; None where they are real."""
        return replace(self, basis=self.basis.imag) if self.basis.dtype.kind == "c" else None

    def bound(self, extents: Shape) -> Bound:
        """The field on an image with these extents; refuses others than those of the maps."""
        ndim = self.basis.ndim - 1
        if len(extents) != ndim:
            raise ShapeError(
                f"The basis kernels have {ndim} axes (shape {self.basis.shape[1:]}); got an image with {len(extents)} "
                f"window axes. Name {ndim} of them with axes=."
            )
        checks.check_extents(type(self).__name__, self.extents, extents)
        size, given = self.basis.shape[1:], self.coefficients
        if isinstance(given, Chebyshev):
            polynomials = given.coefficients
            dtype = checks.floating_dtype(self.basis, polynomials)
            tables = tuple(Table(t) for t in (_mappings(extents), polynomials, self.basis))
            parts = tuple(Coordinate(a, n) for a, n in enumerate(extents)) + tables
            return Bound(size, dtype, parts, _polynomial_weights, terms=_polynomial_terms)
        dtype = checks.floating_dtype(self.basis, given)
        return Bound(size, dtype, (*(Map(c) for c in given), Table(self.basis)), _weights, terms=_terms)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LowRank(Combination):
    """A few basis kernels and coefficient maps that stand for another field, with a known error.

    It is what `compress` makes of any field: the basis spans nearly all of its kernels, and the maps are projections of
    each kernel on the basis. Made by hand it is a `Combination` whose coefficients are maps.

    Parameters
    ----------
    basis : array_like
        The m basis kernels, of shape ``(m, *size)``; real or complex.
    coefficients : array_like
        Maps of shape ``(m, *extents)``, of real numbers.
    error : Certificate, optional
        How far the kernels are from those that they stand for, at all pixels: ``error.l1`` is at least the largest sum
        of the magnitudes of the differences, ``error.l2`` the root of their squares, ``error.relative`` the first as a
        fraction of the largest such sum of a kernel. What `compress` measured; None where nobody did.

    Raises
    ------
    ShapeError, ArgumentTypeError, NotYetSupportedError
        As for `Combination`.

    Examples
    --------
    >>> from kernelscape.kernels import LowRank
    >>> field = LowRank([[1.0, 2.0, 1.0]], [[1.0, 0.5, 0.0]])
    >>> field.at(1)
    array([0.5, 1. , 0.5])
    """

    error: Certificate | None = None


# -- weights -----------------------------------------------------------------------------------------------------------


def _sum_of(terms: tuple[tuple[Any, Any], ...]) -> Any:
    (coefficient, kernel), *others = terms
    total = coefficient * kernel
    for coefficient, kernel in others:
        total = total + coefficient * kernel
    return total


def _weights(offsets: Offsets, *values: Any) -> Any:
    return _sum_of(_terms(offsets, *values))


def _terms(offsets: Offsets, *values: Any) -> tuple[tuple[Any, Any], ...]:
    *coefficients, basis = (as_computed(value, offsets) for value in values)
    return tuple((coefficient, basis[j]) for j, coefficient in enumerate(coefficients))


def _polynomial_weights(offsets: Offsets, *values: Any) -> Any:
    return _sum_of(_polynomial_terms(offsets, *values))


def _polynomial_terms(offsets: Offsets, *values: Any) -> tuple[tuple[Any, Any], ...]:
    *coordinates, mappings, polynomials, basis = (as_computed(value, offsets) for value in values)
    chebyshev = [
        _chebyshev(p * mappings[axis, 0] + mappings[axis, 1], polynomials.shape[1 + axis])
        for axis, p in enumerate(coordinates)
    ]
    return tuple((_evaluated(polynomials[j], chebyshev), basis[j]) for j in range(basis.shape[0]))


def _mappings(extents: Shape) -> Array:
    """For each axis the factor and the term that bring a coordinate to [-1, 1]."""
    return np.array([(2.0 / (n - 1), -1.0) if n > 1 else (0.0, 0.0) for n in extents])


def _chebyshev(u: Any, count: int) -> list[Any]:
    """T_1(u), T_2(u), ... by their recurrence; T_0 is 1 and left out."""
    values, twice = [1.0, u], u + u
    while len(values) < count:
        values.append(twice * values[-1] - values[-2])
    return values[1:count]


def _evaluated(coefficients: Any, chebyshev: list[list[Any]]) -> Any:
    """The sum over all axes, the last one innermost; in single numbers, so that each may be a value per sample."""
    if not chebyshev:
        return coefficients
    total = _evaluated(coefficients[0], chebyshev[1:])
    for degree, value in enumerate(chebyshev[0], start=1):
        total = total + _evaluated(coefficients[degree], chebyshev[1:]) * value
    return total
