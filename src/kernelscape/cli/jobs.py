"""What ``apply``, ``correlate``, ``convolve`` and ``explain`` do: files in, one call of the library, one file out.

Everything that can be refused is refused before the call: the expression before a file is opened, the output before
the work. Integer images are computed in floating point and converted back by the library (half to even, saturating);
a result that is true or false is stored as such.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kernelscape as ks

from ..errors import ArgumentError, ImageFileError
from ..io import check_output, read, write
from .arguments import Source, sources
from .expression import Expression, parse
from .images import Batch, computing_dtype, line_up, output_axes
from .kernel_names import FOOTPRINTS, KERNELS, named

Array = NDArray[Any]


@dataclass(frozen=True)
class Call:
    """One call of the library, ready to be made or to be explained.

    Parameters
    ----------
    function : callable or None
        The window function; None for a linear filter.
    convolve : bool
        Whether a linear filter flips its kernel.
    arguments : tuple
        What stands before the keywords: the inputs and, for a linear filter, the kernel.
    keywords : dict
        The keyword arguments.
    batch : Batch
        The images that the arguments were made from.
    """

    function: Callable[..., Any] | None
    convolve: bool
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    batch: Batch

    def run(self) -> Array:
        """Compute the result."""
        result: Any
        if self.function is not None:
            result = ks.apply(self.function, *self.arguments, **self.keywords)
        else:
            result = self._filter_linearly()
        if isinstance(result, tuple):
            raise ArgumentError(
                f"The expression gives {len(result)} results; the command computes one: write one expression."
            )
        return np.asarray(result)

    def _filter_linearly(self) -> Any:
        # The dtype of a linear filter follows from its operands, so a wish is fulfilled by converting them.
        image, weights = self.arguments
        keywords = dict(self.keywords)
        computed = keywords.pop("dtype", None)
        if computed is not None and np.result_type(image, weights) != computed:
            image = image.astype(computed)
        return (ks.convolve if self.convolve else ks.correlate)(image, weights, **keywords)

    def explain(self) -> str:
        """Say how it would run."""
        return str(self.plan().explain())

    def plan(self) -> Any:
        """How it would run."""
        # Workers do not change a plan, and the output belongs to the call.
        options = {name: value for name, value in self.keywords.items() if name not in ("workers", "output")}
        function, arguments = self.function, self.arguments
        if function is None:
            # A linear filter is the sum of products that it is defined as.
            image, weights = arguments
            order = (slice(None, None, -1),) * weights.ndim if self.convolve else ...
            function, arguments = _sum_of_products, (image, ks.kernel(weights[order]))
        return ks.stencil(function, **options).plan(*arguments, output=self.keywords.get("output"))


def _sum_of_products(w: Any, k: Any) -> Any:
    return np.sum(w * k)


def compute(options: argparse.Namespace) -> None:
    """Run the job that the arguments describe, and write its result."""
    check_output(options.output, options.output_dtype)
    call = prepare(options)
    if "output" in call.keywords:
        check_output(options.output, call.keywords["output"])
    result = call.run()
    result, has_alpha = _with_alpha(call, result)
    batch = call.batch
    metadata = dict(batch.reference.metadata)
    if batch.reference.array.shape[:2] != result.shape[:2]:
        metadata.pop("dpi", None)  # the pixels have another size now
    write(options.output, result, axes=output_axes(batch, result), alpha=has_alpha, metadata=metadata)


def prepare(options: argparse.Namespace) -> Call:
    """Read the files, and make the arguments of the call.

    Raises
    ------
    ArgumentError, ImageFileError
        For whatever is wrong with them.
    """
    linear, texts = _split(options)
    inputs, maps = sources(texts), _maps(options.map)
    expression = None if linear else _parse(options, inputs, maps)
    if linear and (len(inputs) != 1 or maps or options.kernel is None):
        raise ArgumentError("A linear filter takes one image and --kernel, such as: photo.png --kernel sobel-x")
    kernel = None if options.kernel is None else _array("kernel", options.kernel, KERNELS)
    footprint = None if options.footprint is None else _array("footprint", options.footprint, FOOTPRINTS)
    images = [read(source.path) for source in [*inputs, *maps]]
    batch = line_up(images, options.axes, filter_alpha=options.alpha == "filter")
    keywords = _keywords(options, batch, expression)
    if footprint is not None:
        keywords["footprint"] = footprint.astype(bool)
    if kernel is not None:
        kernel = _in_dtype(kernel, keywords.get("dtype", batch.arrays[0].dtype))
    if expression is None:
        return Call(None, options.command == "convolve", (batch.arrays[0], kernel), keywords, batch)
    if kernel is None and footprint is None and options.size is None:
        if expression.used - {source.name for source in maps}:
            raise ArgumentError("Say how large the window is: --size 5, --footprint disk:3 or --kernel box:5.")
        keywords["size"] = 1
    arguments = _arguments(expression, batch, len(maps), kernel, footprint, keywords)
    return Call(expression.function(), False, arguments, keywords, batch)


def _split(options: argparse.Namespace) -> tuple[bool, list[str]]:
    """Tell an expression from the files; a single argument with a kernel is the image of a linear filter."""
    given = list(options.arguments)
    if options.command in ("correlate", "convolve") or (len(given) == 1 and options.kernel is not None):
        return True, given
    if len(given) == 1:
        raise ArgumentError(
            "Write an expression and at least one image, such as: 'np.median(w)' photo.png; got one argument: "
            f"{given[0]!r}"
        )
    return False, given[1:]


def _maps(texts: Sequence[str]) -> list[Source]:
    for text in texts:
        if "=" not in text:
            raise ArgumentError(f"--map is written --map name=file; got {text!r}.")
    return sources(texts)


def _parse(options: argparse.Namespace, inputs: Sequence[Source], maps: Sequence[Source]) -> Expression:
    text = options.arguments[0]
    names = [source.name for source in [*inputs, *maps]]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ArgumentError(f"Two inputs are called {min(repeated)!r}; give each its own name, as in name=file.")
    if len(inputs) == 1 and "w" not in names:
        names[0] = "w" if inputs[0].name not in _words_of(text) else names[0]
    if options.kernel is not None:
        names.append("k")
    elif "k" in _words_of(text):
        raise ArgumentError("The expression uses k, which is the kernel: say which one with --kernel gaussian:1.5")
    return parse(text, names)


def _words_of(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", text))


def _array(kind: str, text: str, table: Any) -> Array:
    """Make a named kernel or footprint, or read it from a file."""
    if "." not in Path(text).suffix or text.partition(":")[0] in table:
        return named(kind, text, table)
    try:
        array = read(text).array
    except ImageFileError:
        if not Path(text).exists() and Path(text).suffix != ".npy":
            return named(kind, text, table)  # most likely a misspelt name: say which names there are
        raise
    if array.size == 0:
        raise ArgumentError(f"The {kind} in '{text}' is empty: its shape is {array.shape}.")
    return array


def _in_dtype(kernel: Array, computed: Any) -> Array:
    """Give the kernel the dtype of the work, unless its weights would change their kind."""
    kind = np.dtype(computed)
    if kernel.dtype.kind == "c" and kind.kind != "c":
        return kernel
    whole = kernel.dtype.kind in "bui" or bool(np.all(kernel == np.rint(kernel.real)))
    fits = kind.kind in "fc" or (kind.kind == "i" and whole) or (kind.kind == "u" and whole and kernel.min() >= 0)
    return kernel.astype(kind) if fits else kernel


def _keywords(options: argparse.Namespace, batch: Batch, expression: Expression | None) -> dict[str, Any]:
    keywords: dict[str, Any] = {
        "mode": options.mode,
        "cval": options.cval,
        "origin": options.origin,
        "stride": options.stride,
        "dilation": options.dilation,
        "padding": options.padding,
        "method": options.method,
        "workers": options.workers,
    }
    if options.size is not None:
        keywords["size"] = options.size
    if batch.axes is not None:
        keywords["axes"] = batch.axes
    if options.invalid is not None:
        keywords["invalid"] = options.invalid
    computed = np.dtype(options.dtype) if options.dtype else computing_dtype(batch.arrays)
    if computed is not None:
        keywords["dtype"] = computed
    stored = options.output_dtype
    first = batch.reference.array.dtype
    truth = expression is not None and expression.is_truth
    if stored is None and options.dtype is None and first.kind in "ui" and not truth:
        stored = first.newbyteorder("=")
    if stored is not None:
        keywords["output"] = np.dtype(stored)
    return keywords


def _arguments(
    expression: Expression,
    batch: Batch,
    maps: int,
    kernel: Array | None,
    footprint: Array | None,
    keywords: dict[str, Any],
) -> tuple[Any, ...]:
    windows = batch.arrays[: len(batch.arrays) - maps]
    pixels = [ks.pixel(array) for array in batch.arrays[len(windows) :]]
    kernels = [] if kernel is None else [ks.kernel(kernel)]
    axes = batch.axes or tuple(range(batch.arrays[0].ndim))
    for axis in (*expression.positions, *expression.offsets):
        if axis >= len(axes):
            raise ArgumentError(f"The expression uses axis {axis}; the window has {len(axes)} axes, counted from 0.")
    positions = [ks.index(axes[axis]) for axis in expression.positions]
    offsets = [
        ks.kernel(_offsets(axis, len(axes), kernel, footprint, keywords, batch.arrays[0].dtype))
        for axis in expression.offsets
    ]
    return (*windows, *pixels, *kernels, *positions, *offsets)


def _offsets(
    axis: int, ndim: int, kernel: Array | None, footprint: Array | None, keywords: dict[str, Any], samples: Any
) -> Array:
    """Give each sample's distance from the window's centre along an axis, as an array of the window's shape."""
    if footprint is not None:
        shape = footprint.shape
    elif kernel is not None:
        shape = kernel.shape
    else:
        shape = _per_axis(keywords["size"], ndim)
    origin, dilation = _per_axis(keywords["origin"], ndim), _per_axis(keywords["dilation"], ndim)
    extent = shape[axis]
    line = (np.arange(extent) - (extent // 2 + origin[axis])) * dilation[axis]
    distances = np.broadcast_to(np.expand_dims(line, [other for other in range(ndim) if other != axis]), shape)
    distances = _in_dtype(distances, keywords.get("dtype", samples))
    return np.ascontiguousarray(distances[footprint.astype(bool)] if footprint is not None else distances)


def _per_axis(value: int | tuple[int, ...], ndim: int) -> tuple[int, ...]:
    values = (value,) * ndim if isinstance(value, int) else value
    if len(values) != ndim:
        raise ArgumentError(f"Expected one number, or one for each of the {ndim} window axes; got {value!r}.")
    return values


def _with_alpha(call: Call, result: Array) -> tuple[Array, bool]:
    """Put the opacity back behind the colours of the result, taken at the anchors of its windows."""
    batch = call.batch
    alpha = batch.alpha
    if alpha is None:
        colours = result.ndim == batch.reference.array.ndim and result.shape[-1] == batch.reference.array.shape[-1]
        return result, batch.reference.alpha and colours
    if result.dtype == bool or result.ndim != batch.arrays[0].ndim:
        return result, False
    if result.shape[:-1] != alpha.shape or call.keywords["padding"] != "same" or call.keywords["stride"] != 1:
        alpha = _at_anchors(call, alpha)
    return np.concatenate([result, alpha[..., np.newaxis].astype(result.dtype)], axis=-1), True


def _at_anchors(call: Call, alpha: Array) -> Array:
    """Take one sample per window, the one at its centre: the library does it, so that no geometry is repeated here."""
    ndim = len(call.batch.axes or alpha.shape)
    keywords = {
        name: call.keywords[name]
        for name in ("mode", "cval", "origin", "stride", "dilation", "padding", "axes", "workers")
        if name in call.keywords
    }
    if "footprint" in call.keywords:
        size = call.keywords["footprint"].shape
    elif "size" in call.keywords:
        size = _per_axis(call.keywords["size"], ndim)
    else:
        size = _kernel_shape(call)
    origin = _per_axis(call.keywords["origin"], ndim)
    centre = tuple(extent // 2 + shift for extent, shift in zip(size, origin, strict=True))
    return np.asarray(ks.apply(lambda w: w[centre], alpha, size=size, **keywords))


def _kernel_shape(call: Call) -> tuple[int, ...]:
    if call.function is None:
        shape: tuple[int, ...] = call.arguments[1].shape
        return shape
    raise ArgumentError("Say --size as well: transparency is kept only where the window's extent is known.")
