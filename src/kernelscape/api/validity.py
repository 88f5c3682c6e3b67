"""Which samples count: masks and NaN become part of the windows' arguments, and results of masked arrays are masked.

Below, a mask is an array like any other: an input whose windows lie where those of the array do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Argument, Array, PixelArgument, WindowArgument, array_of
from kernelscape.api.fields import kept_function
from kernelscape.api.options import Options, changed
from kernelscape.api.selection import Selection
from kernelscape.errors import TracingError
from kernelscape.trace import count, valid


def with_masks(arguments: Sequence[Argument], where: Array | None, options: Options) -> list[Argument]:
    """The arguments, every window of which also has the mask of the call."""
    common = () if where is None else (where,)
    hidden = options.nan_policy == "omit" and options.dtype is not None and options.dtype.kind not in "fc"

    def masked(argument: Argument) -> Argument:
        if not isinstance(argument, WindowArgument | np.ndarray):
            return argument
        array = array_of(argument)
        # A conversion to integers would make numbers of them.
        own = (~np.isnan(array),) if hidden and array.dtype.kind in "fc" else ()
        if not common and not own:
            return argument
        if isinstance(argument, WindowArgument):
            return replace(argument, masks=(*argument.masks, *common, *own))
        return WindowArgument(argument, masks=(*common, *own))

    return [masked(a) for a in arguments]


def is_masked(arguments: Sequence[Argument]) -> bool:
    """Whether a masked array is among the arguments."""
    return any(isinstance(a, WindowArgument) and a.masked for a in arguments)


Run = Callable[[Callable[..., Any], Options, Sequence[Argument], Any, Selection | None], Any]


def run_masked(
    run: Run, function: Callable[..., Any], options: Options, arguments: Sequence[Argument], output: Any,
    selection: Selection | None,
) -> Any:  # fmt: skip
    """Results as masked arrays; `run` computes a function of windows.

    Where an output is not wanted, it is masked if it is the input's sample and that is masked.
    """
    windows = tuple(n for n, a in enumerate(arguments) if isinstance(a, WindowArgument | np.ndarray))
    every = changed(options, min_count=0)
    words: dict[str, Any] = {"windows": windows, "least": options.min_count}
    with_flags = kept_function(_with_flags, function=function, **words)
    try:
        if selection is None:
            alone = output if isinstance(output, tuple | list) else (output,)
            targets = tuple(part for o in alone for part in (o, None))
            found = run(with_flags, changed(every, method="traced"), arguments, targets, None)
            results, flags = found[0::2], found[1::2]
        else:
            flags = _flags_of_selected(run, with_flags, changed(every, method="traced"), arguments, selection)
            found = run(function, options, arguments, output, selection)
            results = found if isinstance(found, tuple) else (found,)
        several = len(results) > 1 or isinstance(output, tuple)
    except TracingError:
        if options.method == "traced":
            raise
        # As the warning says, NumPy calls the function, which says by itself what is valid.
        found = run(function, options, arguments, output, selection)
        several = isinstance(found, tuple)
        results = found if several else (found,)
        flags = (run(kept_function(_enough, **words), every, arguments, None, None),) * len(results)
    made = tuple(masked_array(r, f, options.invalid) for r, f in zip(results, flags, strict=True))
    return made if several else made[0]


def _flags_of_selected(
    run: Run, function: Callable[..., Any], options: Options, arguments: Sequence[Argument], selection: Selection
) -> tuple[Array, ...]:
    """Which results are valid where some are wanted only."""
    flags = kept_function(_every_second, function=function)
    wanted = replace(selection, at=selection.at if isinstance(selection.at, tuple) else selection.at != 0)
    found: tuple[Array, ...] = run(flags, options, arguments, None, replace(wanted, otherwise=1))
    first = next(a for a in arguments if isinstance(a, WindowArgument | np.ndarray))
    if not isinstance(selection.otherwise, str) or not (isinstance(first, WindowArgument) and first.masked):
        return found
    if not first.masks:
        return found
    there = run(_value_of_map, options, [array_of(first), PixelArgument(first.masks[0])], None, None)
    elsewhere = run(_untrue, options, [array_of(first)], None, replace(wanted, otherwise=1))
    return tuple(f & (there | ~elsewhere) for f in found)


def _every_second(*values: Any, function: Callable[..., Any], **words: Any) -> Any:
    return function(*values, **words)[1::2]


def _value_of_map(window: Any, value: Any) -> Any:
    return value


def _untrue(window: Any) -> Any:
    return np.zeros((), np.bool_)


def masked_array(result: Array, flags: Array, invalid: float) -> Any:
    """A result as a masked array that shares its memory; what is masked holds the mark, where it can."""
    there = np.broadcast_to(flags.reshape(flags.shape + (1,) * (result.ndim - flags.ndim)), result.shape)
    if result.dtype.kind in "fc" or isinstance(invalid, int):
        np.copyto(result, invalid, where=~there, casting="unsafe")
    return np.ma.MaskedArray(result, ~there)


def _with_flags(*values: Any, function: Callable[..., Any], windows: Sequence[int], least: int, **words: Any) -> Any:
    """What a function returns, and behind each of its results whether it is valid."""
    found = function(*values, **words)
    enough = _enough(*values, windows=windows, least=least)
    results = found if isinstance(found, tuple) else (found,)
    return tuple(part for r in results for part in (r, valid(r) & enough))


def _enough(*values: Any, windows: Sequence[int], least: int) -> Any:
    """Whether the largest of the windows among some values has so many samples that count."""
    largest = max((values[n] for n in windows), key=lambda w: int(np.prod(w.shape)))
    return count(largest) >= least
