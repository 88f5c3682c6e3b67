"""`sample`: the public signature."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Never

import numpy as np

from kernelscape import pool
from kernelscape.api.arguments import Argument, Array, FieldArgument, as_mask, canonical_argument
from kernelscape.api.expansion import Expanded, has_fields, run_with_fields
from kernelscape.api.fallback import sample_with_numpy
from kernelscape.api.framing import make_frame
from kernelscape.api.options import Options, not_yet, options_of, refuse_unknown, with_known_keywords
from kernelscape.api.points import Places, Points, run_at_points
from kernelscape.api.results import Result, allocate, check_output, store
from kernelscape.api.stencils import Stencil, refuse_nan, stencil_of, warn_of_numpy
from kernelscape.api.strips import Run
from kernelscape.api.validity import is_masked, run_masked, with_masks
from kernelscape.errors import ArgumentError, TracingError
from kernelscape.expression import Shape
from kernelscape.geometry import canonical_stride
from kernelscape.kernels.words import in_words

_Size = int | Sequence[int | None] | None
_Integers = int | Sequence[int]


@with_known_keywords
def sample(
    function: Callable[..., Any] | Stencil,
    *arrays: Any,
    points: Any,
    size: _Size = None,
    footprint: Any = None,
    mode: str | Sequence[str] = "reflect",
    cval: complex = 0.0,
    origin: _Integers = 0,
    dilation: _Integers = 1,
    axes: _Integers | None = None,
    where: Any = None,
    nan_policy: str = "propagate",
    min_count: int = 1,
    invalid: float = math.nan,
    dtype: Any = None,
    output: Any = None,
    kwargs: dict[str, Any] | None = None,
    method: str = "auto",
    tol: float | None = None,
    workers: int | None = None,
    progress: Callable[[float], object] | None = None,
    **unknown: Never,
) -> Any:
    """Compute outputs at a list of points only, in its order.

    Each value is, bit for bit, the one that `apply` has at that point: ``ks.apply(function, image, size=3)[rows,
    columns]`` without the rest of the image.

    Parameters
    ----------
    function : callable or Stencil
        As in `apply`. A `Stencil` brings its own keywords; it must have no stride, padding or selection, since the
        points say where the outputs lie.
    *arrays : array_like, or what `window`, `pixel`, `kernel` and `index` make, or a number
        As in `apply`; also kernel fields, ``ks.kernel(field)``, of which only the kernels at the points are needed.
    points : array_like of int
        Positions in the image, of shape (m, window axes); columns are in the order of the window axes (of `axes`), and
        axes that the function gets whole have none. In any order, and the same ones may come again. With a single
        window axis also of shape (m,).
    size, footprint, mode, cval, origin, dilation, axes, where, nan_policy, min_count, invalid, dtype, kwargs, method,
    tol, workers, progress
        As in `apply`.
    output : array or dtype, optional
        Where results go; a tuple of them for several results.

    Returns
    -------
    array or tuple of arrays
        Of shape (m,); with batch axes, that of ``result[rows, columns]``: the points stand in the place of the first
        window axis, such as (m, 3) for an image of three colours. The axes of an array that the function returns are
        appended. Dtypes are those of `apply`.

    Raises
    ------
    ArgumentError
        A point lies outside the image; a stencil has a stride, a padding or a selection.
    ArgumentTypeError, ShapeError
        Points are no integers, or do not have a column for each window axis; and whatever `apply` refuses.

    See Also
    --------
    apply : ``at=`` computes the wanted outputs of an image in place.
    scipy.ndimage.map_coordinates : interpolates between samples, at fractional coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> image = np.arange(20.0).reshape(4, 5)
    >>> ks.sample(lambda w: np.max(w) - np.min(w), image, points=[(1, 2), (0, 0), (1, 2)], size=3)
    array([12.,  6., 12.])

    Kernels that differ from point to point:

    >>> sigma = np.linspace(0.5, 2, 20).reshape(4, 5)
    >>> blurred = ks.sample(
    ...     lambda w, k: np.sum(w * k), image, ks.kernel(ks.kernels.Gaussian(sigma)), points=[(2, 2), (3, 4)])
    >>> bool(np.allclose(blurred, ks.correlate(image, ks.kernels.Gaussian(sigma))[[2, 3], [2, 4]]))
    True
    """
    if unknown:
        refuse_unknown(sample, unknown)
    if progress is not None:
        raise not_yet("progress")
    if workers is not None:
        pool.resolve_workers(workers)
    where_to = Points.of(points)
    options = options_of(
        size, footprint, mode, cval, origin, 1, dilation, "same", axes, nan_policy, min_count, invalid, dtype, kwargs,
        method, tol,
    )  # fmt: skip
    mask = None if where is None else as_mask(where)
    if isinstance(function, Stencil):
        function, options, mask = _unpacked(function, options, mask)
    if isinstance(options.mode, str) and options.mode == "valid":
        raise ArgumentError(
            "mode='valid' leaves out outputs whose windows reach out of the image, and points say which outputs there "
            "are; expected a mode that says what lies outside, such as 'reflect'."
        )
    given = with_masks([canonical_argument(a) for a in arrays], mask, options)

    def run(own: Callable[..., Any], said: Options, arguments: Sequence[Argument], target: Any, _: Any = None) -> Any:
        return _of_arguments(own, said, arguments, target, workers, where_to)

    if is_masked(given):
        return run_masked(run, function, options, given, output, None)
    return run(function, options, given, output)


def _of_arguments(
    function: Callable[..., Any], options: Options, arguments: Sequence[Argument], output: Any, workers: int | None,
    points: Points,
) -> Any:  # fmt: skip
    """The results for canonical arguments."""
    if options.nan_policy == "raise":
        refuse_nan(arguments)
    if not has_fields(arguments):
        return _sampled(stencil_of(function, options), arguments, output, workers, points)

    def call(expanded: Expanded, part: Options, target: Any, chosen: Points) -> Any:
        made = stencil_of(expanded.function, part)
        return _sampled(made, expanded.arguments, target, workers, chosen, expanded)

    strips = _Strips(points, arguments, output)
    return run_with_fields(function, options, arguments, output, call, points, strips.run)


def _unpacked(
    stencil: Stencil, options: Options, mask: Array | None
) -> tuple[Callable[..., Any], Options, Array | None]:
    """The function of a stencil, its options and mask; those of the call must say nothing."""
    if options is not _nothing_said() or mask is not None:
        said = [f.name for f in fields(Options) if not _same(options, _nothing_said(), f.name)]
        said += [] if mask is None else ["where"]
        raise ArgumentError(f"A Stencil has keywords of its own; got {', '.join(said)} beside it. Leave them out.")
    own = stencil.options
    try:
        ndim = len(own.stride) if isinstance(own.stride, tuple) else 1
        plain = set(canonical_stride(own.stride, ndim)) == {1}
    except (ValueError, TypeError):
        plain = True  # refused later, with all that belongs to it
    same = own.padding == "same" or (isinstance(own.padding, tuple) and set(own.padding) == {"same"})
    if not plain or not same or stencil.selection is not None:
        raise ArgumentError(
            f"sample() computes at points, so that the stencil must have stride=1, padding='same' and no at=; got "
            f"{in_words(stencil)} with stride={own.stride!r} and padding={own.padding!r}"
            f"{' and a selection' if stencil.selection is not None else ''}."
        )
    return stencil.function, own, stencil.where


def _nothing_said() -> Options:
    """The options of a call without keywords."""
    return options_of(
        None, None, "reflect", 0.0, 0, 1, 1, "same", None, "propagate", 1, math.nan, None, None, "auto", None
    )


def _same(a: Options, b: Options, name: str) -> bool:
    return repr(getattr(a, name)) == repr(getattr(b, name))


def _sampled(
    stencil: Stencil, arguments: Sequence[Argument], output: Any, workers: int | None, points: Points,
    expanded: Expanded | None = None,
) -> Any:  # fmt: skip
    """The results for canonical arguments among which is no field."""
    options = stencil.options
    if options.method != "numpy":
        try:
            prepared = stencil.prepared_for(arguments)
        except TracingError as error:
            if options.must_trace:
                raise
            warn_of_numpy(error)
        else:
            handed = run_at_points(prepared, arguments, output, workers, points)
            return tuple(handed) if prepared.several else handed[0]
    check_output(output)
    function, layout = (stencil.function, None) if expanded is None else (expanded.user, expanded.layout)
    frame = make_frame(options, arguments)
    places = Places.of(points, frame)
    computed, several = sample_with_numpy(function, frame, arguments, options, places.numbers, layout)
    results = [Result((*places.shape, *a.shape[1:]), a.dtype, False, options.invalid) for a in computed]
    handed = allocate(results, output)
    for array, target in zip(computed, handed, strict=True):
        store(array.reshape(target.shape), target, options.invalid)
    return tuple(handed) if several else handed[0]


@dataclass(frozen=True, slots=True, eq=False)
class _Strips:
    """Points in rows of the image for which kernels are made together, strip by strip."""

    points: Points
    arguments: Sequence[Argument]
    output: Any

    def run(self, run: Run, options: Options, extents: Shape, at_once: int) -> Any:
        """The results of all strips that have points, in the order of the list."""
        frame = make_frame(options, [a for a in self.arguments if not isinstance(a, FieldArgument)])
        places = Places.of(self.points, frame)
        rows = self.points.along(frame)[0]
        if len(rows) == 0:
            return run(options, 0, 1, self.output, self.points)
        strip = rows // max(1, at_once)
        wholes: list[Array] = []
        several = False
        for number in np.unique(strip):
            here = np.flatnonzero(strip == number)
            low, high = int(rows[here].min()), int(rows[here].max()) + 1
            found = run(options, low, high, self._dtypes(), Points(self.points.array[here]))
            several, pieces = isinstance(found, tuple), found if isinstance(found, tuple) else (found,)
            lead, axis = len(places.shape), places.axis
            wholes = wholes or [np.empty((*places.shape, *p.shape[lead:]), p.dtype) for p in pieces]
            for whole, piece in zip(wholes, pieces, strict=True):
                whole[(slice(None),) * axis + (here,)] = piece
        return self._handed(wholes, several)

    def _dtypes(self) -> Any:
        """What is said of the results' dtypes."""
        if isinstance(self.output, tuple | list):
            return tuple(o.dtype if isinstance(o, np.ndarray) else o for o in self.output)
        return self.output.dtype if isinstance(self.output, np.ndarray) else self.output

    def _handed(self, wholes: Sequence[Array], several: bool) -> Any:
        given = self.output if isinstance(self.output, tuple | list) else (self.output,) * len(wholes)
        handed = list(wholes)
        for number, (output, whole) in enumerate(zip(given, wholes, strict=True)):
            if isinstance(output, np.ndarray):
                (handed[number],) = allocate([Result(whole.shape, whole.dtype, False, math.nan)], output)
                handed[number][...] = whole
        return tuple(handed) if several else handed[0]
