"""What a kernel field is: how the weights of one pixel's kernel follow from what the field has at that pixel.

A field (`Dense`, `Gaussian`, `Grid`, ...) is what the user wrote down. `Field.bound` checks it against the extents of
an image and gives a `Bound`: the window's size, the *parts* that the field reads (maps, coordinates, tables), and one
function that turns the values of the parts into weights. That function is written in NumPy, once, element by element
over the offsets, and is used in three ways: with numbers and arrays (`Field.at`, `Field.dense`), traced with the values
at the anchor (gather: the kernel belongs to the output), and traced with values at *every source* of the window
(scatter: the kernel belongs to the input, and a weight is read where its source lies).

A factor that all weights of a kernel share (the reciprocal of their sum) is stated apart, as `scale`, because it is not
a function of one offset: a scatter multiplies the sources with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from kernelscape.expression import DType, Shape
from kernelscape.geometry import CellAxis
from kernelscape.kernels.words import described, shown

Array: TypeAlias = np.ndarray[Any, Any]
Offsets: TypeAlias = tuple[Any, ...]
"""For each window axis the offsets from the centre, as floats of shape ``(1, .., size of the axis, .., 1)``."""


# -- parts: what a field reads ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ArrayPart:
    """A part that is an array; which of its axes are what the subclasses say."""

    array: Array

    def __repr__(self) -> str:
        return f"{type(self).__name__}({described(self.array)})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Map(ArrayPart):
    """A number for each pixel: an array of the image's extents (or a broadcast view of them)."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Elements(ArrayPart):
    """An array for each pixel: of shape ``extents + element shape``, in any memory order.

    Elements belong to the taps of the window: the element shape has an entry for each window axis, which is the size of
    the window along it or 1.
    """


@dataclass(frozen=True, slots=True)
class Coordinate:
    """The pixel's own coordinate along a window axis of some extent, int64."""

    axis: int
    extent: int = 0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Table(ArrayPart):
    """An array (or a number, as an array of no axes) that is the same for all pixels."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cells(ArrayPart):
    """An array for each cell: pixels of one cell share it.

    `array` has the shape ``(positions along each window axis) + element shape``, its elements one behind the other;
    `axes` says for each window axis which pixels belong to which of the positions, None for one position per pixel.
    """

    axes: tuple[CellAxis | None, ...]


Part: TypeAlias = Map | Elements | Coordinate | Table | Cells


# -- what a field is on an image --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bound:
    """A field on an image of known extents; data and plain functions.

    The functions get the offsets and then the value of each part, in order: of a `Map` or a `Coordinate` a number (at
    the anchor) or an array of the window's shape (one number for each source), of `Elements` an array of the element
    shape (or of the window's shape), of a `Table` the array. Parts of floats come in the dtype of the offsets, which is
    the one to compute in. The functions use nothing but what traced values and NumPy arrays have in common, and are
    module-level functions or `functools.partial` objects of these with hashable arguments, so that two calls with
    fields of the same kind share machine code.

    Attributes
    ----------
    size : tuple of int
        The window's size along each window axis: the largest of all pixels.
    dtype : dtype
        What the field's own numbers are: ``numpy.result_type`` of its arrays, a floating or complex dtype.
    parts : tuple of Part
    weights : callable
        ``weights(offsets, *values)``: the weights, of a shape that broadcasts to the window's; element by element.
    scale : callable, optional
        ``scale(offsets, *values)`` of the values at one pixel: a number with which all weights of its kernel are
        multiplied.
    takes_part : callable, optional
        ``takes_part(offsets, *values)``: True for the samples of the pixel's own window, where that is smaller than the
        field's; other samples do not count at all, whatever they hold. None: all of them do.
    factors : callable, optional
        ``factors(offsets, *values)``: one array for each window axis, of the shape of its offsets, whose product is
        what `weights` gives; for fields that are separable at every pixel.
    own_factors : callable, optional
        ``own_factors(offsets, *values)``: the same for `takes_part`.
    reach : callable, optional
        ``reach()``: for each pixel the largest distance, in samples along any axis, of a sample of its own window: an
        array of the image's extents that holds integers (of any dtype). Given where `takes_part` is.
    terms : callable, optional
        ``terms(offsets, *values)``: pairs of a number of the pixel and a kernel that is the same for all pixels, whose
        sum of products is what `weights` gives.
    sparse : bool
        Whether a term with the coefficient 0 takes no part, whatever its kernel and the window hold.
    is_even : bool
        Whether the weights, and what takes part, depend on the magnitude of each offset only.
    """

    size: tuple[int, ...]
    dtype: DType
    parts: tuple[Part, ...]
    weights: Callable[..., Any]
    scale: Callable[..., Any] | None = None
    takes_part: Callable[..., Any] | None = None
    factors: Callable[..., tuple[Any, ...]] | None = None
    own_factors: Callable[..., tuple[Any, ...]] | None = None
    reach: Callable[[], Array] | None = None
    terms: Callable[..., tuple[tuple[Any, Any], ...]] | None = None
    sparse: bool = False
    is_even: bool = False

    def __repr__(self) -> str:
        return f"Bound({self.dtype} kernels {shown(self.size)} of {', '.join(map(repr, self.parts)) or 'nothing'})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Blend:
    """A field that is, at each pixel, a sum of few of many kernels: ``K_p = sum of weight_t(p) * kernels[index_t(p)]``.

    Attributes
    ----------
    size, dtype
        As in `Bound`.
    kernels : ndarray
        Of shape ``(nodes, *size)``.
    coefficients : callable
        ``coefficients(region)`` for a tuple of slices of pixels, one per window axis: indices and weights of shape
        ``region extents + (terms,)``, int64 and float64. A term whose weight is 0 does not take part.
    axes : tuple of (ndarray, ndarray), optional
        Where the coefficients are products over the axes (a grid): for each window axis indices and weights of shape
        ``(extent, terms)``; the node's index counts the nodes of all axes in C order.
    node_shape : tuple of int
        Number of nodes along each axis of a grid; ``(nodes,)`` elsewhere.
    """

    size: tuple[int, ...]
    dtype: DType
    kernels: Array
    coefficients: Callable[[tuple[slice, ...]], tuple[Array, Array]]
    axes: tuple[tuple[Array, Array], ...] | None
    node_shape: tuple[int, ...]

    def __repr__(self) -> str:
        return f"Blend({self.dtype} kernels {shown(self.size)} between {shown(self.node_shape)} of them)"


class Field:
    """A kernel for every pixel.

    Subclasses say what the kernels are; see the guide on kernel fields. A field is immutable, does not copy the arrays
    that it is made of, and can be used with any number of images.
    """

    __slots__ = ()

    def bound(self, extents: Shape) -> Bound | Blend:
        """The field on an image whose window axes have these extents; refuses maps that do not match them."""
        raise NotImplementedError

    @property
    def extents(self) -> Shape | None:
        """The extents of the images that the field is for; None where it fits all, having no maps."""
        return None

    @property
    def ndim(self) -> int | None:
        """The number of window axes of the images that the field is for; None where it fits any."""
        return None if self.extents is None else len(self.extents)

    @property
    def needs_extents(self) -> bool:
        """Whether the kernel at a position also depends on the image's extents, without maps that say them."""
        return False

    @property
    def real(self) -> Field:
        """The field of the real parts; the field itself where it is real."""
        return self

    @property
    def imag(self) -> Field | None:
        """The field of the imaginary parts; None where the field is real."""
        return None

    def at(self, *position: int, shape: Shape | None = None) -> Array:
        """Give the kernel at a position, as an array.

        Parameters
        ----------
        *position : int
            One coordinate for each window axis; negative ones count from the end.
        shape : tuple of int, optional
            The image's extents along the window axes, where the field has no maps that say them.

        Returns
        -------
        ndarray
            Of the size of the field's window, computed in float64 and given in the field's dtype. Samples outside the
            position's own window are 0.

        Raises
        ------
        PositionError
            The position is outside the image; also an IndexError.
        ArgumentError, ArgumentTypeError, ShapeError
            The position is not made of as many integers as there are axes; `shape` is not that of the maps, or is
            needed and not given.

        Examples
        --------
        >>> from kernelscape.kernels import Gaussian
        >>> Gaussian([0.0, 1.0], truncate=1).at(-1).round(3)
        array([0.274, 0.452, 0.274])
        """
        from kernelscape.kernels.materialize import kernel_at

        return kernel_at(self, position, shape)

    def dense(self, shape: Shape | None = None) -> Array:
        """Give the kernels at all positions, as one array.

        Parameters
        ----------
        shape : tuple of int, optional
            The image's extents along the window axes, where the field has no maps that say them.

        Returns
        -------
        ndarray
            Of shape ``extents + size``; as in `at`.

        Raises
        ------
        MemoryBudgetError
            The array would be larger than ``settings().memory_budget``; the message says how large.
        ArgumentError, ShapeError
            `shape` is not that of the maps, or is needed and not given.

        Examples
        --------
        >>> from kernelscape.kernels import Gaussian
        >>> Gaussian(1.0, truncate=1).dense((2,)).round(3)
        array([[0.274, 0.452, 0.274],
               [0.274, 0.452, 0.274]])
        """
        from kernelscape.kernels.materialize import dense_array

        return dense_array(self, shape)

    def plot(
        self,
        image: Any = None,
        *,
        shape: Shape | None = None,
        at: Any = None,
        spacing: Any = None,
        zoom: float | None = None,
        common: bool = False,
        cmap: Any = None,
        ax: Any = None,
    ) -> Any:
        """Draw kernels where they belong: a contact sheet over an image of two dimensions.

        Each kernel is drawn as an array is, sample ``k // 2`` on its own pixel, enlarged. Weights of 0 are transparent,
        NaN is magenta; of complex kernels the magnitude is shown. Needs matplotlib:
        ``pip install 'kernelscape[plot]'``.

        Parameters
        ----------
        image : array_like, optional
            What to draw over, in grey: of shape (H, W), or (H, W, 3) for colours.
        shape : tuple of int, optional
            The image's extents, where neither the field's maps nor `image` say them.
        at : array_like of int, optional
            The positions of the kernels, of shape (m, 2), as (y, x); negative ones count from the end. By default a
            grid that is centred in the image.
        spacing : int or (int, int), optional
            Distance between the kernels of the grid, in pixels, along both axes or along each. By default there are
            eight kernels along the longer axis.
        zoom : float, optional
            How much larger than the image's pixels the kernels' samples are drawn; 1 is true to scale. By default as
            large as kernels can be in a grid without touching each other (at positions of your own so that at least
            half of them do not), up to a sixth of the image.
        common : bool
            One scale of colours for all kernels; otherwise each is shown in units of its own largest weight.
        cmap : str or matplotlib.colors.Colormap, optional
            By default ``"viridis"``, from 0 to the largest weight; and ``"RdBu_r"``, centred at 0, where a kernel that
            is drawn has negative weights.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            In the coordinates of the image's pixels, y pointing down. The kernels are the last of ``ax.images``, in the
            order of their positions; each holds its kernel in units of the largest weight.

        Raises
        ------
        MissingDependencyError
            Matplotlib is not installed; also an ImportError.
        ArgumentError, ArgumentTypeError, ShapeError
            The extents do not agree, are not those of an image of two dimensions, or are not known; positions are no
            integers, or outside the image.

        Examples
        --------
        >>> import numpy as np
        >>> from kernelscape.kernels import Gaussian
        >>> field = Gaussian(np.linspace(0.5, 3, 60 * 80).reshape(60, 80))
        >>> ax = field.plot(spacing=20)
        >>> len(ax.images)
        12
        """
        from kernelscape.plot import contact_sheet

        return contact_sheet(
            self, image, shape=shape, at=at, spacing=spacing, zoom=zoom, common=common, cmap=cmap, ax=ax
        )


def offsets_of(size: Shape, centre: Shape, dtype: Any = np.float64) -> tuple[Array, ...]:
    """The offsets of the taps from the centre, for each axis, ready to broadcast to the window's shape."""
    ndim = len(size)
    found = []
    for axis, (extent, middle) in enumerate(zip(size, centre, strict=True)):
        shape = tuple(extent if a == axis else 1 for a in range(ndim))
        found.append((np.arange(extent) - middle).astype(dtype).reshape(shape))
    return tuple(found)
