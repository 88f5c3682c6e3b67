"""Which samples count: masks and NaN become part of the windows' arguments, and results of masked arrays are masked.

Below, a mask is an array like any other: an input whose windows lie where those of the array do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kernelscape.api.arguments import Argument, Array, WindowArgument, array_of
from kernelscape.api.expansion import has_fields
from kernelscape.api.fields import kept_function
from kernelscape.api.framing import check_min_count, make_frame
from kernelscape.api.options import Options, changed
from kernelscape.api.prepared import takes
from kernelscape.api.results import Result, allocate, store
from kernelscape.api.selection import AtAnchors, Selection
from kernelscape.errors import TracingError
from kernelscape.trace import Traced, count, valid


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


class _AskedForError(Exception):
    """NumPy is to call the function."""


Run = Callable[[Callable[..., Any], Options, Sequence[Argument], Any, Selection | None], Any]


def run_masked(
    run: Run, function: Callable[..., Any], options: Options, arguments: Sequence[Argument], output: Any,
    selection: Selection | None,
) -> Any:  # fmt: skip
    """Results as masked arrays; `run` computes a function of windows.

    Where an output is not wanted, it is masked if it is the input's sample and that is masked.
    """
    windows = tuple(n for n, a in enumerate(arguments) if isinstance(a, WindowArgument | np.ndarray))
    # The samples are counted by a function of their own.
    method = options.planned_method or "traced"
    every = changed(options, min_count=0, method="traced")
    words: dict[str, Any] = {"windows": windows, "least": options.min_count}
    fields = has_fields(arguments)
    alike = fields or not takes(function, "valid", len(arguments)) or make_frame(options, arguments).windows_alike
    with_flags = kept_function(_with_flags, function=function, alike=alike, **words)
    try:
        if options.method == "numpy":
            raise _AskedForError
        if selection is None:
            given = output if isinstance(output, tuple | list) else (output,)
            # How many results a dtype alone is for is known only when they are there.
            own = isinstance(output, np.ndarray | tuple | list)
            targets = tuple(part for o in given for part in (o, None)) if own else None
            found = run(with_flags, changed(every, method=method), arguments, targets, None)
            results, flags = found[0::2], found[1::2]
            if not own and output is not None:
                results = tuple(_converted(r, f, output, options.invalid) for r, f in zip(results, flags, strict=True))
        else:
            only_flags = kept_function(_every_second, function=with_flags)
            flags = _flags_of_selected(run, only_flags, every, arguments, selection)
            unmarked = changed(_marked_by_mask(options, output), min_count=0)
            found = run(function, unmarked, arguments, output, selection)
            results = found if isinstance(found, tuple) else (found,)
        several = len(results) > 1 or isinstance(output, tuple)
    except (TracingError, _AskedForError):
        if options.must_trace:
            raise
        # As the warning says, NumPy calls the function, which says by itself what is valid.
        found = run(function, _marked_by_mask(options, output), arguments, output, selection)
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


def _marked_by_mask(options: Options, output: Any) -> Options:
    """Options under which integers stay integers: what stands behind the mask has no meaning."""
    return options if isinstance(options.invalid, int) or output is not None else changed(options, invalid=0)


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


def _every_second(*values: Any, function: Callable[..., Any], **words: Any) -> Any:
    return function(*values, **words)[1::2]


def _untrue(*values: Any, **words: Any) -> Any:
    return np.zeros((), np.bool_)


def _converted(result: Array, flags: Array, output: Any, invalid: float) -> Array:
    """A result in the dtype that is asked for; numbers behind a mask have no meaning."""
    target = allocate([Result(result.shape, result.dtype, False, invalid)], output)[0]
    there = flags.reshape(flags.shape + (1,) * (result.ndim - flags.ndim))
    store(np.where(there, result, np.zeros((), result.dtype)), target, invalid)
    return target


def masked_array(result: Array, flags: Array, invalid: float) -> Any:
    """A result as a masked array that shares its memory; what is masked holds the mark, where it can."""
    there = np.broadcast_to(flags.reshape(flags.shape + (1,) * (result.ndim - flags.ndim)), result.shape)
    if result.dtype.kind in "fc" or isinstance(invalid, int):
        np.copyto(result, invalid, where=~there, casting="unsafe")
    return np.ma.MaskedArray(result, ~there)


def _with_flags(
    *values: Any, function: Callable[..., Any], alike: bool, windows: Sequence[int], least: int, **words: Any
) -> Any:
    """What a function returns, and behind each of its results whether it is valid."""
    if takes(function, "axis", len(values)) and "axis" not in words:
        words["axis"] = tuple(range(values[windows[0]].ndim))
    if takes(function, "valid", len(values)) and "valid" not in words:
        flags = tuple(valid(values[n]) for n in windows)
        words["valid"] = flags[0] if alike else flags
    found = function(*values, **words)
    enough = _enough(*values, windows=windows, least=least)
    results = found if isinstance(found, tuple) else (found,)
    return tuple(part for r in results for part in (_number(r), valid(r) & enough))


def _number(result: Any) -> Any:
    """A result that is valid everywhere if it is an integer, since its mask says where it is not: so it stays one."""
    if not isinstance(result, Traced) or result.dtype.kind == "f":
        return result
    return np.where(valid(result), result, np.zeros((), result.dtype))


def _enough(*values: Any, windows: Sequence[int], least: int) -> Any:
    """Whether the largest of the windows among some values has so many samples that count."""
    check_min_count(least, [values[n].shape for n in windows])
    largest = max((values[n] for n in windows), key=lambda w: int(np.prod(w.shape)))
    return count(largest) >= least


def _enough_for_each(*values: Any, results: int, windows: Sequence[int], least: int, **words: Any) -> Any:
    """The same for each of some results."""
    return (_enough(*values, windows=windows, least=least),) * results
