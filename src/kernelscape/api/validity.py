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
from kernelscape.api.prepared import takes
from kernelscape.api.selection import AtAnchors, Selection
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
    head = _head(function, options, len(arguments))
    try:
        if selection is None:
            with_flags = kept_function(head, function=function, step=1, **words)
            found = run(with_flags, changed(every, method="traced"), arguments, _with_theirs(output), None)
            results, flags = found[0::2], tuple(f.astype(np.bool_, copy=False) for f in found[1::2])
        else:
            only_flags = kept_function(head, function=function, step=2, **words)
            flags = _flags_of_selected(run, only_flags, changed(every, method="traced"), arguments, selection)
            found = run(function, every, arguments, output, selection)
            results = found if isinstance(found, tuple) else (found,)
        several = len(results) > 1 or isinstance(output, tuple)
    except TracingError:
        if options.method == "traced":
            raise
        # As the warning says, NumPy calls the function, which says by itself what is valid.
        found = run(function, options, arguments, output, selection)
        several = isinstance(found, tuple)
        results = found if several else (found,)
        each = kept_function(_enough_for_each, results=len(results), **words)
        flags = (
            run(each, every, arguments, None, None)
            if selection is None
            else _flags_of_selected(run, each, every, arguments, selection)
        )
    made = tuple(masked_array(r, f, options.invalid) for r, f in zip(results, flags, strict=True))
    return made if several else made[0]


def shown_elsewhere(otherwise: Any, own_mask: Array | None) -> AtAnchors | bool:
    """Whether what stands where an output is not wanted is valid; the input's samples are where their own mask is."""
    return AtAnchors(own_mask) if isinstance(otherwise, str) and own_mask is not None else True


def _flags_of_selected(
    run: Run, function: Callable[..., Any], options: Options, arguments: Sequence[Argument], selection: Selection
) -> tuple[Array, ...]:
    """Which results are valid where some are wanted only; `function` says which are. What is blended has to be, too."""
    first = next(a for a in arguments if isinstance(a, WindowArgument | np.ndarray))
    own_mask = first.masks[0] if isinstance(first, WindowArgument) and first.masked and first.masks else None
    otherwise = selection.otherwise
    shown: Any = (
        tuple(shown_elsewhere(o, own_mask) for o in otherwise)
        if isinstance(otherwise, tuple)
        else shown_elsewhere(otherwise, own_mask)
    )

    def flags(chosen: Selection) -> tuple[Array, ...]:
        found: tuple[Array, ...] = run(function, options, arguments, None, replace(chosen, otherwise=shown))
        return found

    found = flags(selection.unweighted())
    if shown is True or not selection.has_weights:
        return found
    there = flags(selection.of_nothing())
    partly = run(_untrue, options, arguments, None, replace(selection.whole_only(), otherwise=True))
    partly = [partly.reshape(partly.shape + (1,) * (f.ndim - partly.ndim)) for f in found]
    return tuple(f & (t | ~p) for f, t, p in zip(found, there, partly, strict=True))


def _untrue(*values: Any, **words: Any) -> Any:
    return np.zeros((), np.bool_)


def masked_array(result: Array, flags: Array, invalid: float) -> Any:
    """A result as a masked array that shares its memory; what is masked holds the mark, where it can."""
    there = np.broadcast_to(flags.reshape(flags.shape + (1,) * (result.ndim - flags.ndim)), result.shape)
    if result.dtype.kind in "fc" or isinstance(invalid, int):
        np.copyto(result, invalid, where=~there, casting="unsafe")
    return np.ma.MaskedArray(result, ~there)


def _with_theirs(output: Any) -> Any:
    """Where results go that each have flags behind them; one dtype stands for all, those of flags too."""
    if isinstance(output, tuple | list):
        return tuple(part for o in output for part in (o, None))
    return (output, None) if isinstance(output, np.ndarray) else output


def _head(function: Callable[..., Any], options: Options, count: int) -> Callable[..., Any]:
    """The head that has the parameters which a function asks for."""
    if "valid" in options.kwargs or not takes(function, "valid", count):
        return _with_flags
    return _with_flags_along if takes(function, "axis", count) else _with_flags_of


def _with_flags(
    *values: Any, function: Callable[..., Any], windows: Sequence[int], least: int, step: int, **words: Any
) -> Any:
    """What a function returns, and behind each of its results whether it is valid; with a `step` of 2 that alone."""
    found = function(*values, **words)
    enough = _enough(*values, windows=windows, least=least)
    results = found if isinstance(found, tuple) else (found,)
    made = tuple(part for r in results for part in (r, valid(r) & enough))
    return made[step - 1 :: step]


def _with_flags_of(*values: Any, valid: Any, **words: Any) -> Any:
    return _with_flags(*values, valid=valid, **words)


def _with_flags_along(*values: Any, axis: Any, valid: Any, **words: Any) -> Any:
    return _with_flags(*values, axis=axis, valid=valid, **words)


def _enough(*values: Any, windows: Sequence[int], least: int) -> Any:
    """Whether the largest of the windows among some values has so many samples that count."""
    largest = max((values[n] for n in windows), key=lambda w: int(np.prod(w.shape)))
    return count(largest) >= least


def _enough_for_each(*values: Any, results: int, windows: Sequence[int], least: int, **words: Any) -> Any:
    """The same for each of some results."""
    return (_enough(*values, windows=windows, least=least),) * results
