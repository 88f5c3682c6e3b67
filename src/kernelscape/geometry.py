"""Where the samples of a window lie: output grids, windows, and the canonical statement of one job.

Below the friendly layer a job is always this: every input is a view of shape ``batch + window axes``; the outputs form a
grid whose *anchors* are ``first + stride * o`` along each window axis; sample ``i`` of a window lies at
``anchor + dilation * (i - centre)``.  `padding`, `origin` and the like are gone by then.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernelscape.expression import DType, Node, Shape


@dataclass(frozen=True, slots=True)
class OutputAxis:
    """Anchors along one window axis: ``first + stride * o`` for ``o < count``, in input coordinates."""

    first: int
    stride: int
    count: int


@dataclass(frozen=True, slots=True)
class WindowAxis:
    """A window along one axis of an input with `extent` samples: sample i lies at ``anchor + dilation * (i - centre)``."""

    extent: int
    size: int
    dilation: int
    centre: int
    mode: str


@dataclass(frozen=True, slots=True)
class Input:
    """One array of the job.

    A ``pixel`` input (a map) is an input whose windows have size 1, centre 0 and mode ``nearest``.

    Attributes
    ----------
    dtype : dtype
        What the function sees; the array's own dtype is converted as it is loaded.
    axes : tuple of WindowAxis
        One for each window axis of the job.
    cval : float
        The sample outside the array under mode ``constant``, converted to `dtype`.
    taps : tuple of tuple of int, or None
        The positions of a footprint's samples in the box, in C order: the window is then 1-D.  None is the whole box.
    """

    dtype: DType
    axes: tuple[WindowAxis, ...]
    cval: float | int = 0.0
    taps: tuple[tuple[int, ...], ...] | None = None

    @property
    def window_shape(self) -> Shape:
        """The shape that the function sees."""
        return (len(self.taps),) if self.taps is not None else tuple(a.size for a in self.axes)


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be computed, with nothing left to guess.

    Attributes
    ----------
    outputs : tuple of Node
        Expressions; the result of each has shape ``batch + counts + node.shape``.
    output_dtypes : tuple of dtype
        The result's dtypes; a conversion to integers rounds half to even and saturates.
    inputs : tuple of Input
    batch : tuple of int
        Extents of the batch axes, which come first in every array.
    grid : tuple of OutputAxis
    min_count : int
        An output is invalid when fewer samples of the largest window are valid.
    invalid : float or int
        What stands where an output is invalid.
    """

    outputs: tuple[Node, ...]
    output_dtypes: tuple[DType, ...]
    inputs: tuple[Input, ...]
    batch: Shape
    grid: tuple[OutputAxis, ...]
    min_count: int = 1
    invalid: float | int = float("nan")
