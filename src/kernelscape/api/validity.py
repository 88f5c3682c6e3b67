"""Which samples count: masks and NaN become part of the windows' arguments, and results of masked arrays are masked.

Below, a mask is an array like any other: an input whose windows lie where those of the array do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Argument, Array, WindowArgument, array_of
from kernelscape.api.fields import kept_function
from kernelscape.api.options import Options, changed
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


def run_masked(
    run: Callable[[Callable[..., Any], Options, Any], Any], function: Callable[..., Any], options: Options,
    arguments: Sequence[Argument], output: Any,
) -> Any:  # fmt: skip
    """Results as masked arrays; `run` computes a function of the windows of `arguments`."""
    windows = tuple(n for n, a in enumerate(arguments) if isinstance(a, WindowArgument | np.ndarray))
    every = changed(options, min_count=0)
    words: dict[str, Any] = {"windows": windows, "least": options.min_count}
    try:
        alone = output if isinstance(output, tuple | list) else (output,)
        targets = tuple(part for o in alone for part in (o, None))
        found = run(kept_function(_with_flags, function=function, **words), changed(every, method="traced"), targets)
        results, flags, several = found[0::2], found[1::2], len(found) > 2 or isinstance(output, tuple)
    except TracingError:
        if options.method == "traced":
            raise
        # As the warning says, NumPy calls the function, which says by itself what is valid.
        found = run(function, options, output)
        several = isinstance(found, tuple)
        results = found if several else (found,)
        flags = (run(kept_function(_enough, **words), every, None),) * len(results)
    made = tuple(masked_array(r, f, options.invalid) for r, f in zip(results, flags, strict=True))
    return made if several else made[0]


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
