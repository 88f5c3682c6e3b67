"""How far the kernels of one field are from those of another, at all pixels: what an inexact method may promise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Certificate:
    """Bounds on the difference of two fields of kernels K and L, that hold at every pixel p of an image.

    All numbers were found with the kernels in float64, and the rounding of finding them is added.

    Attributes
    ----------
    l1 : float
        At least ``max over p of sum |K_p - L_p|``. An output that is gathered with L in place of K differs by at most
        this times the largest magnitude of the image.
    l2 : float
        At least ``max over p of sqrt(sum |K_p - L_p|**2)``, which goes with the root of a window's sum of squares.
    mean : float
        At least ``max over p of |sum (K_p - L_p)|``: what the difference makes of a constant image of ones.
    norm : float
        At most ``max over p of sum |K_p|``, and that but for rounding: what errors are compared with.

    Examples
    --------
    >>> from kernelscape.kernels.certificate import Certificate
    >>> Certificate(l1=0.002, l2=0.0005, mean=0.0, norm=2.0).relative
    0.001
    """

    l1: float
    l2: float
    mean: float
    norm: float

    @property
    def relative(self) -> float:
        """`l1` as a fraction of `norm`; 0 where there is no difference."""
        return self.l1 / self.norm if self.l1 else 0.0
