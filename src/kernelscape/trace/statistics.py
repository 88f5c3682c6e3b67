"""NumPy's reductions of traced values: arguments as NumPy has them, meaning from ``reductions``.

Each implementation has the parameters of the NumPy function whose place it takes, in the same order, after the
recorder. A boolean selection is reduced over the elements that its mask kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kernelscape import reductions
from kernelscape.expression import BOOL, DType, Node, broadcast, reshape
from kernelscape.trace.notation import FUNCTIONS, UFUNC_METHODS, refuse_out, wrap
from kernelscape.trace.operators import Value, broadcast_shapes, node_of, operate, selected_misused
from kernelscape.trace.page import tracing_error
from kernelscape.trace.recorder import Recorder, supported

Reduction = Callable[..., Any]


def implements(*functions: Any) -> Callable[[Reduction], Reduction]:
    """Put an implementation into the table, for all of the NumPy functions given."""

    def register(implementation: Reduction) -> Reduction:
        for function in functions:
            FUNCTIONS[function] = implementation
        return implementation

    return register


def operand(r: Recorder, a: Any, where: Any = True) -> tuple[Node, Node | None]:
    """The node to reduce, and the mask of the elements that count."""
    mask = None if where is True or where is np._NoValue else node_of(r, where)
    if mask is not None and mask.dtype != BOOL:
        raise TypeError(f"where= has to be boolean, got dtype {mask.dtype}")
    if isinstance(a, Value):
        if a._mask is not None:
            if mask is not None:
                raise selected_misused()
            return a._node, a._mask
        node = a._node
    elif isinstance(a, (list, tuple)) and any(isinstance(v, Value) for v in a):
        node = FUNCTIONS[np.stack](r, a)._node
    else:
        node = node_of(r, a)
    if mask is not None:
        shape = broadcast_shapes((node.shape, mask.shape))
        if shape != node.shape:
            raise ValueError(f"where= of shape {mask.shape} does not broadcast to the operand's shape {node.shape}")
        mask = broadcast(mask, node.shape)
    return node, mask


def axis_of(a: Any, axis: Any) -> Any:
    """The axis of the node that an axis of the value means: a selection is one-dimensional."""
    if isinstance(a, Value) and a._mask is not None:
        if axis not in {None, 0, -1, (0,), (-1,)}:
            raise np.exceptions.AxisError(axis if isinstance(axis, int) else 1, 1)
        return None
    if isinstance(axis, list):
        raise TypeError("'list' object cannot be interpreted as an integer")
    return axis


def _samples(r: Recorder, a: Any, nan: bool, where: Any = True) -> tuple[Node, Node | None]:
    """What is reduced, and which of it counts: in the forms that pass over NaN, only numbers do."""
    body, mask = operand(r, a, where)
    return body, reductions.present(body, mask) if nan else mask


def _flag(keepdims: Any) -> bool:
    return keepdims is not np._NoValue and bool(keepdims)


def _dtype(dtype: Any) -> DType | None:
    return None if dtype is None else supported(np.dtype(dtype))


def _initial(r: Recorder, initial: Any, dtype: DType) -> Node | None:
    return None if initial is np._NoValue or initial is None else node_of(r, initial, dtype)


def _define_sums(name: str, reduction: Reduction, nan: bool) -> None:
    def implementation(
        r: Recorder,
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: Any = False,
        initial: Any = np._NoValue,
        where: Any = True,
    ) -> Any:
        if out is not None:
            refuse_out(name)
        body, mask = _samples(r, a, nan, where)
        wanted = _dtype(dtype)
        start = _initial(r, initial, wanted or reductions.sum_dtype(body.dtype))
        node = reduction(body, axis_of(a, axis), dtype=wanted, keepdims=_flag(keepdims), where=mask, initial=start)
        return wrap(r, node)

    implements(getattr(np, name))(implementation)


def _define_extrema(names: tuple[str, ...], reduction: Reduction, nan: bool) -> None:
    def implementation(
        r: Recorder,
        a: Any,
        axis: Any = None,
        out: None = None,
        keepdims: Any = False,
        initial: Any = np._NoValue,
        where: Any = True,
    ) -> Any:
        if out is not None:
            refuse_out(names[0])
        body, mask = operand(r, a, where)
        if mask is not None and initial is np._NoValue and where is not True and not nan:
            operation = "minimum" if names[0] == "min" else "maximum"
            raise ValueError(
                f"reduction operation '{operation}' does not have an identity, so to use a where mask one has to "
                "specify 'initial'"
            )
        if nan:
            mask = reductions.present(body, mask)
        start = _initial(r, initial, body.dtype)
        return wrap(r, reduction(body, axis_of(a, axis), keepdims=_flag(keepdims), where=mask, initial=start))

    implements(*(getattr(np, n) for n in names))(implementation)


def _define_moments(name: str, reduction: Reduction, nan: bool) -> None:
    def implementation(
        r: Recorder,
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        ddof: Any = 0,
        keepdims: Any = False,
        *,
        where: Any = True,
        mean: Any = np._NoValue,
        correction: Any = np._NoValue,
    ) -> Any:
        if out is not None:
            refuse_out(name)
        body, mask = _samples(r, a, nan, where)
        freedom = ddof if correction is np._NoValue else correction
        options: dict[str, Any] = {"dtype": _dtype(dtype), "ddof": freedom, "keepdims": _flag(keepdims), "where": mask}
        return wrap(r, reduction(body, axis_of(a, axis), missing=r.missing, **options))

    implements(getattr(np, name))(implementation)


def _define_mean(name: str, nan: bool) -> None:
    def implementation(
        r: Recorder,
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: None = None,
        keepdims: Any = False,
        *,
        where: Any = True,
    ) -> Any:
        if out is not None:
            refuse_out(name)
        body, mask = _samples(r, a, nan, where)
        options: dict[str, Any] = {"dtype": _dtype(dtype), "keepdims": _flag(keepdims), "where": mask}
        return wrap(r, reductions.mean(body, axis_of(a, axis), missing=r.missing, **options))

    implements(getattr(np, name))(implementation)


def _define_flags(name: str, reduction: Reduction) -> None:
    def implementation(
        r: Recorder, a: Any, axis: Any = None, out: None = None, keepdims: Any = False, *, where: Any = True
    ) -> Any:
        if out is not None:
            refuse_out(name)
        body, mask = operand(r, a, where)
        return wrap(r, reduction(body, axis_of(a, axis), keepdims=_flag(keepdims), where=mask))

    implements(getattr(np, name))(implementation)


def _define_positions(name: str, reduction: Reduction, nan: bool) -> None:
    def implementation(r: Recorder, a: Any, axis: Any = None, out: None = None, *, keepdims: Any = False) -> Any:
        if out is not None:
            refuse_out(name)
        body, mask = operand(r, a)
        if mask is not None:
            raise selected_misused()
        where = reductions.present(body, None) if nan else None
        return wrap(r, reduction(body, axis, keepdims=_flag(keepdims), where=where))

    implements(getattr(np, name))(implementation)


def _define_medians(name: str, nan: bool) -> None:
    def implementation(
        r: Recorder, a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False, keepdims: Any = False
    ) -> Any:
        if out is not None:
            refuse_out(name)
        body, mask = _samples(r, a, nan)
        return wrap(
            r,
            reductions.median(
                body, axis_of(a, axis), keepdims=_flag(keepdims), where=mask, missing=r.missing, omits=nan
            ),
        )

    implements(getattr(np, name))(implementation)


def _define_quantiles(name: str, scale: float, nan: bool) -> None:
    def implementation(
        r: Recorder,
        a: Any,
        q: Any,
        axis: Any = None,
        out: None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: None = None,
    ) -> Any:
        if out is not None:
            refuse_out(name)
        if weights is not None:
            raise tracing_error(
                f"np.{name} with weights= needs an order of the samples, which is not traced.",
                f"lambda w, k: np.{name}(w, 50, weights=k, method='inverted_cdf')",
                f"lambda w: np.{name}(w, 50)",
            )
        body, mask = _samples(r, a, nan)
        options: dict[str, Any] = {"method": method, "where": mask, "missing": r.missing, "omits": nan}
        if isinstance(q, Value):
            fraction = reductions.fraction(node_of(r, q, np.dtype(np.float64)), scale)
            return wrap(r, reductions.quantile_at(body, fraction, axis_of(a, axis), **options))
        node = reductions.quantile(body, q, axis_of(a, axis), keepdims=_flag(keepdims), scale=scale, **options)
        return wrap(r, node)

    implements(getattr(np, name))(implementation)


for _nan in (False, True):
    _prefix = "nan" if _nan else ""
    _define_sums(_prefix + "sum", reductions.sum_, _nan)
    _define_sums(_prefix + "prod", reductions.prod, _nan)
    _define_moments(_prefix + "var", reductions.var, _nan)
    _define_moments(_prefix + "std", reductions.std, _nan)
    _define_mean(_prefix + "mean", _nan)
    _define_extrema(("nanmin",) if _nan else ("min", "amin"), reductions.min_, _nan)
    _define_extrema(("nanmax",) if _nan else ("max", "amax"), reductions.max_, _nan)
    _define_positions(_prefix + "argmin", reductions.argmin, _nan)
    _define_positions(_prefix + "argmax", reductions.argmax, _nan)
    _define_medians(_prefix + "median", _nan)
    _define_quantiles(_prefix + "quantile", 1.0, _nan)
    _define_quantiles(_prefix + "percentile", 100.0, _nan)
_define_flags("any", reductions.any_)
_define_flags("all", reductions.all_)


@implements(np.ptp)
def _ptp(r: Recorder, a: Any, axis: Any = None, out: None = None, keepdims: Any = False) -> Any:
    body, mask = operand(r, a)
    return wrap(r, reductions.ptp(body, axis_of(a, axis), keepdims=_flag(keepdims), where=mask))


@implements(np.count_nonzero)
def _count_nonzero(r: Recorder, a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    body, mask = operand(r, a)
    return wrap(r, reductions.count_nonzero(body, axis_of(a, axis), keepdims=_flag(keepdims), where=mask))


@implements(np.average)
def _average(
    r: Recorder, a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    body, mask = operand(r, a)
    if isinstance(weights, Value) and weights._mask is not None and mask is not None:
        operate(r, "add", (a, weights))  # raises where the masks differ
        factors: Node | None = weights._node
    else:
        factors = None if weights is None else node_of(r, weights)
        if mask is not None and factors is not None:
            raise selected_misused()
    pair = reductions.average(
        body, axis_of(a, axis), weights=factors, keepdims=_flag(keepdims), where=mask, missing=r.missing
    )
    result = wrap(r, pair[0])
    return (result, wrap(r, pair[1])) if returned else result


@implements(np.sort)
def _sort(r: Recorder, a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    body, mask = operand(r, a)
    if mask is not None:
        raise selected_misused()
    return wrap(r, reductions.sorted_(body, axis))


@implements(np.partition)
def _partition(r: Recorder, a: Any, kth: Any, axis: Any = -1, kind: Any = None, order: Any = None) -> Any:
    """A sorted array is partitioned at every position."""
    return _sort(r, a, axis)


@implements(np.argsort, np.argpartition)
def _argsort(r: Recorder, *_: Any, **__: Any) -> Any:
    raise tracing_error(
        "np.argsort is not traced: sorting networks move values, not positions.",
        "lambda w: w.ravel()[np.argsort(w.ravel())[2]]",
        "lambda w: np.sort(w.ravel())[2]",
    )


def _define_running(name: str, operation: str) -> None:
    def implementation(r: Recorder, a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
        body, mask = operand(r, a)
        if mask is not None:
            raise selected_misused()
        return wrap(r, reductions.cumulative(operation, body, axis, _dtype(dtype)))

    implements(getattr(np, name))(implementation)


_define_running("cumsum", "add")
_define_running("cumprod", "multiply")


# -- ufunc.reduce and ufunc.accumulate --------------------------------------------------------------------------------

_OF_FOLD = {
    "add": np.sum,
    "multiply": np.prod,
    "minimum": np.min,
    "maximum": np.max,
    "logical_and": np.all,
    "logical_or": np.any,
    "fmin": np.nanmin,
    "fmax": np.nanmax,
}


def _ufunc_reduce(
    r: Recorder, name: str, a: Any, axis: Any = 0, dtype: Any = None, out: None = None, **kwargs: Any
) -> Any:
    function = _OF_FOLD.get(name)
    if function is None:
        raise tracing_error(
            f"np.{name}.reduce is not traced.", f"lambda w: np.{name}.reduce(w)", "lambda w: np.add.reduce(w)"
        )
    if dtype is not None:
        kwargs["dtype"] = dtype
    return FUNCTIONS[function](r, a, axis, **kwargs)


def _ufunc_accumulate(r: Recorder, name: str, a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
    if name not in {"add", "multiply", "minimum", "maximum"}:
        raise tracing_error(
            f"np.{name}.accumulate is not traced.", f"lambda w: np.{name}.accumulate(w)", "lambda w: np.cumsum(w)"
        )
    return wrap(r, reductions.cumulative(name, operand(r, a)[0], axis, _dtype(dtype)))


def _ufunc_outer(r: Recorder, name: str, a: Any, b: Any) -> Any:
    first, second = (x if isinstance(x, Value) else wrap(r, node_of(r, x)) for x in (a, b))
    raised = wrap(r, reshape(first._node, first._node.shape + (1,) * second._node.ndim))
    return getattr(np, name)(raised, second)


UFUNC_METHODS["*", "reduce"] = _ufunc_reduce
UFUNC_METHODS["*", "accumulate"] = _ufunc_accumulate
UFUNC_METHODS["*", "outer"] = _ufunc_outer
