"""`iterate`: a stencil on its own result, again and again.

The definition is the loop ``for _ in range(n): array = stencil(array, *arguments)``, bit for bit. What is added: from
the step on at which dtypes no longer change, steps write into two sets of arrays in turn. Only arrays that were made
here or by a stencil are ever written, and of these only what no state holds any more.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Never

import numpy as np

from kernelscape.api.arguments import Argument, Array, PixelArgument, WindowArgument, as_array, canonical_argument
from kernelscape.api.convergence import Arrays, Criterion, criterion
from kernelscape.api.options import refuse_unknown, with_known_keywords
from kernelscape.api.prepared import takes
from kernelscape.api.results import Result, allocate, store
from kernelscape.api.signatures import stencil as make_stencil
from kernelscape.api.stencils import Stencil
from kernelscape.config import configure
from kernelscape.errors import ArgumentError, ArgumentTypeError, KernelscapeError, ShapeError
from kernelscape.kernels.words import in_words


@with_known_keywords
def iterate(
    stencil: Callable[..., Any],
    array: Any,
    n: int | None = None,
    *arguments: Any,
    until: Any = None,
    return_steps: bool = False,
    progress: Callable[[float], object] | None = None,
    output: Any = None,
    workers: int | None = None,
    **unknown: Never,
) -> Any:
    """Apply a stencil to an array, then to the result, and so on.

    The result is that of ``for _ in range(n): array = stencil(array, *arguments)``, bit for bit, dtypes included.

    Parameters
    ----------
    stencil : Stencil or callable
        What makes a step: a `Stencil`, or any function of the whole array, such as ``lambda u: ks.correlate(u, k)``,
        that returns an array of the same shape. It gets read-only arrays. If it has a parameter `output`, as
        `correlate` and the filters of `scipy.ndimage` have, it gets the array to write to there, or None.
    array : array_like, or tuple of these
        What the first step gets; it is never written. A tuple is a state of several arrays: each step gets all of them
        and returns a tuple of as many. An array of the state may be marked by `window` or `pixel`, and stays so.
    n : int, optional
        How many steps; with `until` how many at most. None goes on until `until` says so, if ever: Ctrl-C ends it.
    *arguments
        Handed to each step behind the state, always the same: further arrays, `pixel`, `kernel`, `index`, numbers.
    until : float or callable, optional
        Ends the iteration. A number: as soon as no sample of any array has changed by more than that in a step; 0 is
        for states that come to rest exactly. A callable ``until(new, old)``: as soon as it is true; it is called after
        each step with read-only arrays (tuples of them, if the state is one), which the following steps overwrite.
    return_steps : bool
        Return how many steps were made, too.
    progress : callable, optional
        Called after each step with the fraction of `n` that is done, and with 1.0 after the last one.
    output : array or dtype, optional
        Where the result goes, as in `apply`; a tuple of them for several arrays. It is converted once, after the last
        step, and until then nothing is written. An array may overlap the given ones.
    workers : int, optional
        Number of threads; -1 uses all. Results do not depend on it.

    Returns
    -------
    array or tuple of arrays
        New ones, or `output`. Of the dtype that the last step gives; without any step, a copy.
    int
        The number of steps, with `return_steps`.

    Raises
    ------
    ShapeError
        A step gives an array of another shape: a stride, a padding other than ``"same"``, or a function of windows,
        which becomes a step by ``ks.stencil(function, size=3)``.
    ArgumentError, ArgumentTypeError
        A wrong `n`, `until` or `output`; or, where `until` is a number, NaN at a place where `array` has a number.
    Exception
        Whatever the stencil, `until` or `progress` raise. `array` and `output` are then as they were.

    See Also
    --------
    stencil

    Notes
    -----
    Memory: two arrays for each array of the state, beside the given ones. A function without a parameter `output` makes
    a new one at each step instead.

    Dtypes follow the stencil, as in the loop: uint8 whose mean is taken is float64 from the first step on. Convert
    `array` to choose another dtype, ``array.astype(np.float32)``; to round at each step, use
    ``lambda u: step(u, output=np.uint8)``.

    A number as `until` costs a look at a small part of the array while the state still changes, and a comparison of all
    of it, in strips, at the end. NaN that `array` has, too, is no change while it stays. Any other NaN is an error once
    it is met: an iteration that diverges must not seem to have come to rest.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> heat = ks.stencil(lambda u: u[1] + 0.25 * (u[0] - 2 * u[1] + u[2]), size=3)
    >>> ks.iterate(heat, np.array([0.0, 0.0, 1.0, 0.0, 0.0]), 2)
    array([0.0625, 0.25  , 0.375 , 0.25  , 0.0625])
    >>> ks.iterate(heat, np.array([0.0, 4.0]), until=1e-6, return_steps=True)
    (array([1.99999905, 2.00000095]), 21)

    Further arguments stay the same: a flood that a mask bounds.

    >>> flood = ks.stencil(lambda w, free: np.max(w) & free, size=3)
    >>> seed = np.array([0, 1, 0, 0, 0, 0], bool)
    >>> ks.iterate(flood, seed, None, ks.pixel(np.array([1, 1, 1, 0, 1, 1], bool)), until=0).astype(int)
    array([1, 1, 1, 0, 0, 0])
    """
    if unknown:
        _refuse_words_of_stencils(unknown)
        refuse_unknown(iterate, unknown)
    if not callable(stencil):
        raise ArgumentTypeError(f"The stencil must be a Stencil or a function of arrays; got {in_words(stencil)}.")
    state = _State.of(array)
    count = _count(n, until, progress)
    _targets([np.broadcast_to(np.False_, a.shape) for a in state.arrays], output)
    finished = None if until is None else criterion(until, state.arrays, state.shown)
    make = _stencil_step if isinstance(stencil, Stencil) else _function_step
    run = _Run(make(stencil, state, arguments), count, finished, progress, output)
    with nullcontext() if workers is None else configure(workers=workers):
        arrays, steps = run.from_state(state)
    results = _written(arrays, state.arrays, output)
    found = tuple(results) if state.several else results[0]
    return (found, steps) if return_steps else found


# -- what was given ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """The arrays that the iteration starts from, and as what each step gets its own."""

    arrays: tuple[Array, ...]
    marks: tuple[WindowArgument | PixelArgument | None, ...]
    several: bool

    @classmethod
    def of(cls, given: Any) -> _State:
        entries = given if isinstance(given, tuple) else (given,)
        if not entries:
            raise ArgumentError("Expected an array, or a tuple of them; got ().")
        marks = tuple(e if isinstance(e, WindowArgument | PixelArgument) else None for e in entries)
        arrays = tuple(as_array(e) if m is None else m.array for e, m in zip(entries, marks, strict=True))
        for array in arrays:
            if not array.ndim:
                several = " A tuple is a state of several arrays; one array of numbers is a list."
                raise ShapeError(
                    f"Expected arrays with at least one axis; got the number {array.item()!r}."
                    f"{several if isinstance(given, tuple) else ''}"
                )
        return cls(arrays, marks, isinstance(given, tuple))

    def marked(self, arrays: Arrays) -> list[Any]:
        """Arrays as a step gets them."""
        pairs = zip(arrays, self.marks, strict=True)
        return [array if mark is None else replace(mark, array=array) for array, mark in pairs]

    def shown(self, arrays: Arrays) -> Any:
        """Arrays as users look at them."""
        found = tuple(map(_read_only, arrays))
        return found if self.several else found[0]

    def packed(self, arrays: Arrays | None) -> Any:
        """Arrays in the form of `output=`."""
        return None if arrays is None else tuple(arrays) if self.several else arrays[0]

    def unpacked(self, found: Any, function: Callable[..., Any]) -> tuple[Array, ...]:
        """The arrays of what a step gave."""
        several = isinstance(found, tuple)
        number = len(found) if several else 1
        if (several, number) != (self.several, len(self.arrays)):
            expected = f"a tuple of {len(self.arrays)} arrays" if self.several else "one array"
            gave = f"a tuple of {number}" if several else in_words(found)
            raise ArgumentError(f"A step must give what it gets, {expected}; {_name(function)} gave {gave}.")
        arrays = tuple(map(as_array, found)) if several else (as_array(found),)
        for new, old in zip(arrays, self.arrays, strict=True):
            if new.shape != old.shape:
                raise _other_shape(function, new, old)
        return arrays


def _read_only(array: Array) -> Array:
    found = array.view()
    found.flags.writeable = False
    return found


def _count(n: Any, until: Any, progress: Any) -> int | None:
    if progress is not None and not callable(progress):
        raise ArgumentTypeError(f"progress must be a callable that takes a fraction; got {in_words(progress)}.")
    if n is None:
        if until is None:
            raise ArgumentError("Expected n, the number of steps, or until, a test when to end; got neither.")
        if progress is not None:
            raise ArgumentError(
                "progress= gets the fraction of n steps, and n is None. Give n, how many steps there may be at most, "
                "or let until(new, old) report: it is called after each step."
            )
        return None
    if isinstance(n, bool | np.bool_) or not hasattr(n, "__index__") or np.ndim(n):
        raise ArgumentTypeError(
            f"n must be an integer, the number of steps, or None; got {in_words(n)}. Further arguments of the stencil "
            "follow n: ks.iterate(stencil, array, n, argument)."
        )
    count = int(n.__index__())
    if count < 0:
        raise ArgumentError(f"n must be at least 0; got {n!r}.")
    return count


def _refuse_words_of_stencils(unknown: dict[str, Any]) -> None:
    import inspect

    words = set(inspect.signature(make_stencil).parameters) - {"function"}
    for name in unknown:
        if name in words:
            raise ArgumentTypeError(
                f"{name}= belongs to the stencil; write ks.iterate(ks.stencil(function, {name}=...), array, n)."
            )


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", function))


def _other_shape(function: Callable[..., Any], new: Array, old: Array) -> ShapeError:
    gave = f"an array of shape {new.shape}" if new.ndim else "a number"
    fault = f"A step must keep the shape {old.shape}; {_name(function)} gave {gave}."
    if isinstance(function, Stencil):
        return ShapeError(f"{fault} Use stride=1 and padding='same', and a function that returns a number.")
    return ShapeError(f"{fault} {_ADVICE}")


_ADVICE = (
    "It was called with the whole array; a function of windows becomes a step by a stencil: "
    "ks.iterate(ks.stencil(function, size=3), array, n)."
)


# -- steps ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One step: ``call(state, targets)`` gives the next state.

    Where it `writes` to targets, it also says whether the next state is arrays that may be written later: the targets
    that it got, or new ones.
    """

    call: Callable[[Arrays, Arrays | None], tuple[Arrays, bool]]
    writes: bool
    is_stencil: bool


def _stencil_step(stencil: Callable[..., Any], state: _State, arguments: Sequence[Any]) -> _Step:
    rest: list[Argument] = [canonical_argument(a) for a in arguments]
    marked = any(mark is not None for mark in state.marks)

    def call(arrays: Arrays, targets: Arrays | None) -> tuple[Arrays, bool]:
        found = stencil(*(state.marked(arrays) if marked else arrays), *rest, output=state.packed(targets))
        # The stencil refuses targets of another shape than its results.
        return (state.unpacked(found, stencil) if targets is None else targets), True

    return _Step(call, writes=True, is_stencil=True)


def _function_step(function: Callable[..., Any], state: _State, arguments: Sequence[Any]) -> _Step:
    writes = takes(function, "output", len(state.arrays) + len(arguments))

    def call(arrays: Arrays, targets: Arrays | None) -> tuple[Arrays, bool]:
        given = (*state.marked(list(map(_read_only, arrays))), *arguments)
        found = function(*given, output=state.packed(targets)) if writes else function(*given)
        if found is None and targets is not None:
            return targets, True
        if found is None:
            raise ArgumentTypeError(f"A step must return the new array; {_name(function)} returned None.")
        new = state.unpacked(found, function)
        # Any other array may be one that the function keeps, and is not written.
        return new, targets is not None and all(map(operator.is_, new, targets))

    return _Step(call, writes, is_stencil=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """A step, when it ends, and who hears of it."""

    step: _Step
    n: int | None
    finished: Criterion | None
    progress: Callable[[float], object] | None
    output: Any

    def from_state(self, given: _State) -> tuple[Arrays, int]:
        """The last state, and how many steps it took."""
        state: Arrays = given.arrays
        spare: Arrays | None = None
        own = settled = False  # whether the state may be written later; whether a step keeps dtypes
        steps, done = 0, self.n == 0
        while not done:
            targets = (spare or [np.empty_like(a) for a in state]) if settled and self.step.writes else None
            new, written = self._next(state, targets, steps)
            steps += 1
            done = self._done(new, state, steps)
            spare = state if own and written else None
            settled = all(a.dtype == b.dtype for a, b in zip(new, state, strict=True))
            state, own = new, written
            del new, targets  # what is no longer needed is freed before the next step makes arrays
        if self.progress is not None:
            self.progress(1.0)
        return state, steps

    def _next(self, state: Arrays, targets: Arrays | None, steps: int) -> tuple[Arrays, bool]:
        try:
            return self.step.call(state, targets)
        except Exception as error:
            if steps:
                error.add_note(f"This happened in step {steps + 1} of ks.iterate.")
            elif not self.step.is_stencil and not isinstance(error, KernelscapeError):
                error.add_note(f"This happened in the first step of ks.iterate. {_ADVICE}")
            raise

    def _done(self, new: Arrays, old: Arrays, steps: int) -> bool:
        if steps == 1:
            _targets(new, self.output)  # an output that cannot hold such results is refused before the other steps
        done = steps == self.n
        if self.finished is not None:
            _refuse_overwritten(new, old)
            done = self.finished(new, old, steps) or done
        if self.progress is not None and self.n and not done:
            self.progress(steps / self.n)
        return done


def _refuse_overwritten(new: Arrays, old: Arrays) -> None:
    """A function that writes its result over the state would seem to change nothing."""
    for a in new:
        if a.flags.writeable and any(np.may_share_memory(a, b) for b in old):
            raise ArgumentError(
                "The function returned memory that holds the state before, with which until= compares; expected a new "
                "array, or one that is handed over: give the function a parameter output."
            )


# -- results ----------------------------------------------------------------------------------------------------------


def _targets(arrays: Arrays, output: Any) -> list[Array]:
    """Where results of these shapes and dtypes go, if anywhere."""
    if output is None:
        return []
    results = [Result(a.shape, a.dtype, may_be_invalid=False, invalid=np.nan) for a in arrays]
    return allocate(results, output)


def _written(arrays: Arrays, given: Arrays, output: Any) -> list[Array]:
    """The last state as results: in `output`, or in arrays that nobody else holds."""
    targets = _targets(arrays, output)
    taken = targets or given
    own = [a.copy() if not a.flags.writeable or any(np.may_share_memory(a, b) for b in taken) else a for a in arrays]
    if not targets:
        return own
    for array, target in zip(own, targets, strict=True):
        store(array, target, np.nan)
    return targets
