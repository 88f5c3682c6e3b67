"""`plan`: what a filter would run, how far its result may be from the exact one, and a check of that.

A plan has two bounds. `FilterPlan.promise` is known before anything is computed; it holds for all images of that range.
`FilterPlan.bound` is for this image, and close to the error that is there: after the cheap bounds it compares with a
finer computation, as far as needed to come within a factor of the error found at some pixels. All bounds are rigorous;
the pixels only say how much work is worth while.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from kernelscape.api.approximate import choose, computed, run_choice
from kernelscape.api.arguments import Array, FieldArgument
from kernelscape.api.bounds import (
    Bounded,
    by_patches,
    in_wider_numbers,
    largest_difference,
    largest_magnitude,
    local,
    overlapping,
)
from kernelscape.api.calls import bound_arguments, canonical, definition_of, parts_of, seen, without_tol
from kernelscape.api.choices import Candidate
from kernelscape.api.linear import convolve, correlate
from kernelscape.api.operands import counted, window_axes
from kernelscape.api.options import LINEAR_METHODS, changed, not_yet
from kernelscape.api.overlap import KernelJob
from kernelscape.api.products import kernel_plan, run_linear
from kernelscape.api.profiling import Profile, StencilPlan, measured
from kernelscape.api.selection import selection_of
from kernelscape.api.signatures import apply, stencil
from kernelscape.errors import ArgumentError
from kernelscape.expression import DType
from kernelscape.kernels.field import Bound, Field
from kernelscape.kernels.words import in_words
from kernelscape.methods import product_convolution
from kernelscape.methods.fft import Overlap
from kernelscape.methods.log_sigma import LogSigma
from kernelscape.methods.product_convolution import ProductConvolution
from kernelscape.plan import Plan
from kernelscape.plan.explanation import in_bytes, in_time

CLOSE = 8.0
"""A bound is close enough when it is at most so many times the error found."""
LOOKED_AT = 256
"""Pixels at which the error is looked for, to see whether a bound is close."""


class Check(NamedTuple):
    """What `FilterPlan.check` found.

    Attributes
    ----------
    error : float
        The largest error at the pixels that were looked at.
    bound : float
        `FilterPlan.bound`.
    samples : int
        How many outputs were compared.
    at : tuple of int
        The index of the output with the largest error.
    """

    error: float
    bound: float
    samples: int
    at: tuple[int, ...]


def plan(operation: Callable[..., Any], *args: Any, **kwargs: Any) -> FilterPlan | Plan:
    """Say what a call would run, and how exact its result would be.

    Parameters
    ----------
    operation : {kernelscape.correlate, kernelscape.convolve, kernelscape.apply}
    *args, **kwargs
        The arguments of the call.

    Returns
    -------
    FilterPlan
        For `correlate` and `convolve`: ``explain()``, ``promise``, ``bound``, ``run()``, ``check()`` and ``profile()``.
    StencilPlan
        For `apply`: that of `Stencil.plan`, with ``explain()`` and ``profile()``.

    Raises
    ------
    ArgumentError
        Another operation; or whatever the call itself would refuse.

    See Also
    --------
    correlate : what ``tol=`` means.

    Examples
    --------
    >>> import numpy as np
    >>> import kernelscape as ks
    >>> image = np.random.default_rng(0).random((256, 256))
    >>> sigma = np.broadcast_to(np.linspace(1, 10, 256), image.shape)
    >>> plan = ks.plan(ks.correlate, image, ks.kernels.Gaussian(sigma), tol=1e-2)
    >>> plan.method
    'log_sigma'
    >>> blurred = plan.run()
    >>> found = plan.check(samples=100)
    >>> bool(found.error <= found.bound <= plan.promise <= plan.tolerance)
    True
    """
    if operation is apply:
        return _plan_of_apply(*args, **kwargs)
    if operation is not correlate and operation is not convolve:
        given: Any = operation
        advice = "" if callable(given) else " The operation comes first: ks.plan(ks.correlate, image, field)."
        raise ArgumentError(f"plan() is for correlate, convolve and apply; got {in_words(given)}.{advice}")
    words = bound_arguments(operation, args, kwargs)
    if words["progress"] is not None:
        raise not_yet("progress")
    if selection_of(words["at"], words["otherwise"]) is not None:
        raise ArgumentError(
            f"plan({operation.__name__}, ...) is about the whole filter, of which at= chooses outputs; leave out at "
            "and otherwise."
        )
    return FilterPlan(operation, words)


def _plan_of_apply(function: Callable[..., Any], *arrays: Any, **kwargs: Any) -> Plan:
    call = {name: kwargs.pop(name) for name in ("output", "workers", "progress") if name in kwargs}
    return stencil(function, **kwargs).plan(*arrays, output=call.get("output"))


class FilterPlan:
    """A call of `correlate` or `convolve`: which method would run, and how exact it is; made by `plan`.

    The arrays of the call are not copied; do not change them while the plan is in use.

    Attributes
    ----------
    method : str
        ``"exact"``; of kernel fields also ``"log_sigma"``, ``"product_convolution"`` or ``"low_rank"``, and of one
        kernel for all pixels ``"fft"``.
    tolerance : float
        The largest error of an output that the call allows: `tol` times the largest magnitude that windows see, times
        the largest sum of magnitudes of a kernel. 0 where the exact method is all there is.
    """

    def __init__(self, operation: Callable[..., Any], words: dict[str, Any]) -> None:
        self._operation, self._words = operation, words
        self._operands, self._options, self._way = canonical(operation, words)
        self._choice = choose(self._operands, self._options, self._way, words["workers"])
        self._definition = definition_of(self._operands, self._options, self._way)
        self._sharp: Bounded | None = None

    def __repr__(self) -> str:
        return f"<FilterPlan of {self._operation.__name__}: {self.method}>"

    @property
    def method(self) -> str:
        """The method that runs."""
        return self._choice.chosen.method

    @property
    def tolerance(self) -> float:
        """The largest error of an output that the call allows."""
        job = self._choice.job
        return job.tolerance if job is not None and self._options.tol is not None else 0.0

    @property
    def promise(self) -> float:
        """At least the largest error of an output, known before anything is computed.

        The error is the one of the result in the dtype that is computed in (`accumulate`, or that of the result),
        before it is converted to a narrower one. For the exact method it is a bound on rounding, where weights count
        as rounded 64 times; how much worse those of a `Formula` may be, nobody knows.
        """
        if self.method != "exact":
            return self._choice.chosen.bound
        return self._rounding(self._operands.inner)

    @property
    def bound(self) -> float:
        """At least the largest error of an output for this image: the sharpest bound that was needed.

        Found when it is asked for, and then kept. It may take several times as long as `run`: where the promise is far
        above the errors at some pixels, the result is compared with one of higher precision (exact kernels in float64,
        or transforms in a wider dtype), whose own bound is added.
        """
        return self._sharpest()[0]

    def explain(self) -> str:
        """Say in words what runs and why, what the next best method costs, and which error is promised."""
        operands, chosen = self._operands, self._choice.chosen
        form = "scatter" if self._way.scattered else "gather"
        shape = " x ".join(map(str, operands.array.shape))
        lines = [
            f"filter: {self._operation.__name__}, {form}",
            f"image: {shape}, {operands.array.dtype}, computed in {operands.inner}",
            f"kernels: {operands.field if operands.field is not None else 'one for all pixels'}",
            f"method: {_described(chosen)}",
        ]
        others = self._choice.next_best
        if others is not None:
            lines.append(f"next best: {_described(others)}")
        known = (chosen, others)
        lines += [f"not {c.method}: {c.why}" for c in self._choice.candidates if c not in known and c.cost is None]
        if self._choice.job is not None and self._options.tol is not None:
            lines.append(f"tolerance: {self.tolerance:.3g}, which is tol={self._options.tol} of the largest output")
        if isinstance(chosen.design, Overlap):
            lines.append(f"memory: temporary arrays of about {in_bytes(chosen.design.bytes)}")
        source = chosen.source if self.method != "exact" else _WORST_CASE
        lines.append(f"promise: error at most {self.promise:.3g}, from {source}")
        if self._sharp is not None:
            lines.append(f"bound: error at most {self._sharp[0]:.3g} for this image, from {self._sharp[1]}")
        if self._inner is not None and self.method == "exact":
            lines += ["the exact method:", *(f"  {line}" for line in self._inner.explain().splitlines())]
        return "\n".join(lines)

    def run(self, output: Any = None, workers: int | None = None) -> Array:
        """Compute the filter.

        Parameters
        ----------
        output, workers
            As in `correlate`; by default those of the call that was planned.

        Returns
        -------
        array
        """
        output = self._words["output"] if output is None else output
        workers = self._words["workers"] if workers is None else workers
        found = run_choice(self._choice, output)
        if found is not None:
            return found
        exact = without_tol(self._options)
        return run_linear(self._operands, exact, self._way, output=output, workers=workers, progress=None)

    def profile(self, repeat: int = 5, workers: int | None = None) -> Profile:
        """Run the filter and measure what it takes, beside what was expected.

        Parameters
        ----------
        repeat : int
            Calls, of which the fastest counts.
        workers : int, optional
            As in `correlate`; by default those of the call that was planned.

        Returns
        -------
        Profile
            It prints as a table; its attributes are the numbers in seconds and bytes.

        Examples
        --------
        >>> import numpy as np
        >>> import kernelscape as ks
        >>> plan = ks.plan(ks.correlate, np.zeros((200, 300), np.float32), np.ones((9, 9), np.float32))
        >>> print(plan.profile(repeat=3, workers=1))
        profile: exact, 1 worker, fastest of 3 calls
          time ...
        """
        workers = self._words["workers"] if workers is None else workers
        inner = self._inner if self.method == "exact" else None
        around, extents = self._definition.around, math.prod(self._definition.around.extents)
        images = self._operands.array.size // max(1, extents)
        result = self._operands.result.itemsize * images * math.prod(axis.count for axis in around.grid)
        cost = (self._choice.chosen.cost or 0.0) * 1e-3

        def again() -> tuple[float, float | None]:
            from kernelscape.backends.compiled import compiling_seconds

            start = time.perf_counter()
            made = FilterPlan(self._operation, self._words)
            planning = time.perf_counter() - start
            if inner is None:
                return planning, None
            compiling = compiling_seconds(inner.stage, inner.target, masked=inner.is_masked)
            return planning + compiling if made.method == self.method else planning, compiling

        return measured(
            self.run,
            self.method,
            self._operands.array.nbytes + result,
            inner.estimate.seconds if inner is not None else lambda count: cost,
            again,
            repeat=repeat,
            workers=workers,
            products=0.0 if inner is None else inner.estimate.products,
            target=None if inner is None else inner.target,
        )

    @functools.cached_property
    def _inner(self) -> StencilPlan | None:
        """What the exact method runs, if it is one stage."""
        return kernel_plan(self._operands, self._options, self._way)

    def check(self, samples: int = 1000, seed: int = 0) -> Check:
        """Compare the result with the definition at random outputs.

        Parameters
        ----------
        samples : int
            How many outputs; each once.
        seed : int
            Of the random numbers.

        Returns
        -------
        Check
            The largest error, beside `bound`.

        Raises
        ------
        NotYetSupportedError
            A normalised scatter.

        Notes
        -----
        Half of the outputs are from anywhere; the others are more likely where the result is large, because errors are.
        Kernels are evaluated one by one, by NumPy and in extended precision, and samples are looked up as the mode
        says; the engine takes no part. Outputs that are NaN or infinite by definition are left out.
        """
        for name, number in (("samples", samples), ("seed", seed)):
            if isinstance(number, bool) or not hasattr(number, "__index__") or number < 0:
                raise ArgumentError(f"{name} must be an integer, and not negative; got {number!r}.")
        error, at, count = self._errors(self._computed(), int(samples), int(seed))
        return Check(error, self.bound, count, at)

    # -- bounds ------------------------------------------------------------------------------------------------------

    def _sharpest(self) -> Bounded:
        if self._sharp is None:
            result = self._computed()
            found = self._errors(result, LOOKED_AT, 0)[0]
            best = (math.inf, "")
            for make in self._bounds(result):
                best = min(best, make())
                if best[0] <= CLOSE * found:
                    break
            self._sharp = best
        return self._sharp

    def _bounds(self, result: Array) -> Iterator[Callable[[], Bounded]]:
        """Bounds on the error of a result and where they come from, those that cost most last."""
        job, chosen = self._choice.job, self._choice.chosen
        design = chosen.design
        source = chosen.source if design is not None else _WORST_CASE
        yield lambda: (self.promise, source)
        if isinstance(job, KernelJob):
            if isinstance(design, Overlap):
                yield from overlapping(job, design, result)
            job = None
        if job is not None and isinstance(design, LogSigma) and not self._way.scattered:
            yield functools.partial(local, job, design)
        if job is not None and isinstance(design, ProductConvolution) and self.method == "product_convolution":
            yield functools.partial(by_patches, job, design)
            own = max(np.finfo(design.dtype).eps, np.finfo(job.inner).eps)
            for dtype in (np.dtype(np.float64), np.dtype(np.longdouble)):
                if np.finfo(dtype).eps < own:
                    yield functools.partial(in_wider_numbers, job, design, dtype, result)
        if self._operands.inner != np.float64 or design is not None:
            yield functools.partial(self._against_exact, result)

    def _against_exact(self, result: Array) -> Bounded:
        """By comparing with the exact method in float64, whose rounding is bounded."""
        words = {name: value for name, value in self._words.items() if name not in _OF_THE_CALL}
        array = seen(self._operands)
        wide = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
        # Those of a masked array are among the masks.
        words["where"] = counted(self._operands, changed(self._options, nan_policy="propagate"))
        # A method that is asked for is one for this precision: kernels of float32 are no products in float64.
        free = self._options.method in LINEAR_METHODS or self._options.planned_method is not None
        words["method"] = "auto" if free else self._options.method
        exact = self._operation(wide, self._words["weights"], workers=self._words["workers"], **words)
        distance = largest_difference(result, exact)
        return distance + self._rounding(np.dtype(np.float64)), "a comparison with the exact method in float64"

    def _rounding(self, dtype: DType) -> float:
        """A bound on the rounding of the exact method: each of the sums in the worst case, all at one output.

        Infinite where sums are divided by sums of weights, which may be as small as rounding noise.
        """
        around = self._definition.around
        if self._operands.normalize:
            return math.inf
        taps, times, again = math.prod(around.size), 1, 1
        if not self._way.scattered and all(isinstance(k, Bound) and k.factors for k in self._definition.kernels):
            taps = sum(around.size)  # added up along one axis after the other
        if self._way.scattered:
            # As many kernels as there are taps meet at an output, and again what is folded back.
            counts = {"none": 1, "twice": 2}
            folds = zip(around.folds(), around.size, strict=True)
            again = math.prod(counts.get(fold, size) for fold, size in folds)
            times = taps * again
        sizes = [largest_magnitude(self._operands.array), *(abs(v) for v in around.outside if v is not None)]
        unit = float(np.finfo(dtype).eps) / 2
        inexact = again * sum(float(terms.inexact(dtype) @ terms.sums) for terms in self._terms if terms is not None)
        return float(((taps + 64) * unit * times * self._largest_sum + inexact) * max(sizes))

    @functools.cached_property
    def _terms(self) -> list[product_convolution.Terms | None]:
        """Each kernel as a sum of few that are the same everywhere, where it is one."""
        return [product_convolution.terms_of(k, self._definition.around.extents) for k in self._definition.kernels]

    @functools.cached_property
    def _largest_sum(self) -> float:
        """At least the largest sum of magnitudes of a kernel's weights."""
        around, total = self._definition.around, 0.0
        kernels = zip(self._definition.kernels, self._terms, parts_of(self._operands), strict=True)
        for kernel, terms, part in kernels:
            if terms is not None:
                total += terms.summed(terms.sums)
            elif isinstance(part, Field):
                image = np.broadcast_to(np.zeros((), np.float64), around.extents)
                total += float(apply(_magnitude, image, FieldArgument(part), size=kernel.size).max(initial=0.0))
            else:
                total += float(np.abs(part).sum(dtype=np.float64))
        return total * (1 + 1e-9) if math.isfinite(total) else math.inf

    # -- the result and its errors -----------------------------------------------------------------------------------

    def _computed(self) -> Array:
        """The result in the dtype that is computed in."""
        job, design = self._choice.job, self._choice.chosen.design
        if job is not None and design is not None:
            axes = window_axes(self._operands, self._options)
            return np.moveaxis(computed(job, design), range(-len(axes), 0), axes)
        inner = self._operands.inner
        wide = np.result_type(inner, np.complex64) if self._operands.result.kind == "c" else inner
        output = None if wide.kind in "biu" else wide  # what integers cannot mark, floats do
        exact = without_tol(self._options)
        workers = self._words["workers"]
        found = run_linear(self._operands, exact, self._way, output=output, workers=workers, progress=None)
        return np.ma.getdata(found)

    def _errors(self, result: Array, samples: int, seed: int) -> tuple[float, tuple[int, ...], int]:
        """The largest error at random outputs, where it is, and how many were compared."""
        if self._way.scattered and self._operands.normalize:
            raise not_yet("check() and bound of a normalised scatter")
        definition = self._definition
        axes = window_axes(self._operands, self._options)
        batch = [axis for axis in range(result.ndim) if axis not in axes]
        chosen = _some(result, samples, seed)
        worst, at, count = 0.0, (0,) * result.ndim, 0
        for index in zip(*(i.tolist() for i in np.unravel_index(chosen, result.shape)), strict=True):
            exact = definition.at(tuple(index[a] for a in batch), tuple(index[a] for a in axes))
            if not np.isfinite(exact):
                continue
            count += 1
            error = float(abs(result[index] - exact))
            if not error <= worst:
                worst, at = error, index
        return worst, at, count


_WORST_CASE = "rounding of sums in the worst case"
_OF_THE_CALL = ("input", "weights", "output", "progress", "workers", "tol", "dtype", "accumulate", "unknown", "method")


def _some(result: Array, samples: int, seed: int) -> Array:
    """Numbers of random outputs: half of them anywhere, half of them rather where results are large."""
    generator, count = np.random.default_rng(seed), min(samples, result.size)
    anywhere = generator.choice(result.size, count, replace=False)
    sizes = np.abs(result).ravel().astype(np.float64)
    sizes[~np.isfinite(sizes)] = 0.0
    sizes -= sizes.min(initial=math.inf) if sizes.size else 0.0
    # The sum of large numbers may be infinite.
    sizes /= sizes.max(initial=0.0) or 1.0
    taken = np.zeros(result.size, bool)
    taken[anywhere[: count - count // 2]] = True
    sizes[taken] = 0.0
    likely = min(count // 2, int(np.count_nonzero(sizes)))
    if likely:
        taken[generator.choice(result.size, likely, replace=False, p=sizes / sizes.sum())] = True
    # As many as were asked for.
    rest = anywhere[~taken[anywhere]][: count - int(np.count_nonzero(taken))]
    taken[rest] = True
    return np.flatnonzero(taken)


def _magnitude(window: Any, kernel: Any) -> Any:
    return np.sum(np.abs(kernel))


def _described(candidate: Candidate) -> str:
    cost = "" if candidate.cost is None else f", about {in_time(1e-3 * candidate.cost)}"
    return f"{candidate.method} ({candidate.why}){cost}"
