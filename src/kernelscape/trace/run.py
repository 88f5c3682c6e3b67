"""`trace`: a Python function of windows becomes an expression.

The function is run once with traced values in place of arrays; once more for each combination of the decisions that it
takes (``if`` on a traced value), and the results of both branches of a decision are merged with ``select``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from kernelscape.errors import ArgumentError, TracingError
from kernelscape.expression import INT64, Argument, DType, Index, Node, Pixel, Shape, Window
from kernelscape.rewrite import simplify
from kernelscape.semantics import result_dtypes
from kernelscape.trace.notation import FUNCTIONS, wrap
from kernelscape.trace.operators import Value, elementwise, node_of, selected_misused
from kernelscape.trace.page import tracing_error
from kernelscape.trace.recorder import MOST_PATHS, Captured, Recorder, Slots, shapes, too_many_paths


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one positional parameter of the function stands for.

    Attributes
    ----------
    kind : str
        ``"window"``, ``"pixel"``, ``"kernel"``, ``"index"`` or ``"scalar"``.
    number : int
        Input number of a window or pixel, slot of a kernel, axis of an index.
    shape : tuple of int
        Of a window or a kernel.
    dtype : numpy.dtype or None
        Of what is read; None for an index and a scalar.
    value : int, float or bool
        A scalar: handed to the function as it is, and captured like a number from an enclosing scope.
    """

    kind: str
    number: int = 0
    shape: Shape = ()
    dtype: DType | None = None
    value: Any = None

    @staticmethod
    def window(number: int, shape: Shape, dtype: DType) -> Parameter:
        return Parameter("window", number, shape, dtype)

    @staticmethod
    def pixel(number: int, dtype: DType, shape: Shape = ()) -> Parameter:
        return Parameter("pixel", number, shape, dtype)

    @staticmethod
    def kernel(slot: int, shape: Shape, dtype: DType) -> Parameter:
        return Parameter("kernel", slot, shape, dtype)

    @staticmethod
    def index(axis: int) -> Parameter:
        return Parameter("index", axis)

    @staticmethod
    def scalar(value: float) -> Parameter:
        return Parameter("scalar", value=value)


@dataclass(frozen=True, slots=True)
class Trace:
    """What a function is.

    Attributes
    ----------
    outputs : tuple of Node
        One for each array that the function returns.
    arguments : tuple of Captured or None
        The run-time arguments in slot order; None for the slots of kernel parameters, which the caller fills.
    several : bool
        The function returned a tuple.
    where : str
        ``file:line in name`` of the function, for messages about it.
    """

    outputs: tuple[Node, ...]
    arguments: tuple[Captured | None, ...]
    several: bool
    where: str


def trace(
    function: Callable[..., Any],
    parameters: Sequence[Parameter],
    kwargs: Mapping[str, Any] | None = None,
    *,
    missing: bool = False,
    input_shapes: Sequence[Shape] = (),
) -> Trace:
    """Turn a function of windows into an expression.

    Parameters
    ----------
    function : callable
        Called with one traced value for each parameter, by position. If it has a parameter ``axis`` beyond those (as
        functions written for ``scipy.ndimage.vectorized_filter`` do), it is given all window axes.
    parameters : sequence of Parameter
    kwargs : mapping, optional
        Handed to the function as they are.
    missing : bool
        Whether samples may be invalid; then means divide by run-time counts, and ranks are computed.
    input_shapes : sequence of tuples
        Shapes of the whole inputs, so that a captured map can be told from a kernel.

    Returns
    -------
    Trace

    Raises
    ------
    TracingError
        The function does something that has no meaning before the data is known. NumPy's own errors (a shape that does
        not fit, a number that the dtype cannot hold) are raised as they are.
    """
    options = dict(kwargs or ())
    if "axis" not in options and _takes_axis(function, len(parameters)):
        window = next((p for p in parameters if p.kind == "window"), None)
        options["axis"] = tuple(range(len(window.shape))) if window else ()
    kernel_slots = 1 + max((p.number for p in parameters if p.kind == "kernel"), default=-1)
    slots = Slots([None] * kernel_slots)
    windows = shapes([p.shape for p in parameters if p.shape])
    images = shapes(input_shapes)

    def run(prescribed: tuple[bool, ...]) -> tuple[Recorder, Any]:
        r = Recorder(slots, missing, images, windows, prescribed)
        try:
            return r, function(*(_value(r, p) for p in parameters), **options)
        except TracingError:
            raise
        except Exception as error:
            page = _page_behind(error)
            if page is None:
                raise
            raise page from None

    first, result = run(())
    if first.decisions:
        tree = _Tree(run, [(first, result)])
        result = tree.merged()
    several = isinstance(result, tuple)
    place = _place(function)
    results = [_output(first, x, place) for x in (result if several else (result,))]
    if not results:
        raise _returned_nothing("an empty tuple", place)
    return Trace(simplify(results), tuple(slots.values), several, place)


def _page_behind(error: BaseException) -> TracingError | None:
    """The page that somebody else's error hides: NumPy turns what `float` raises into a ValueError."""
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, TracingError):
        behind = behind.__cause__ or behind.__context__
    return behind


def _value(r: Recorder, p: Parameter) -> Any:
    if p.kind == "scalar":
        return p.value
    if p.kind == "index":
        return wrap(r, Index((), INT64, p.number))
    assert p.dtype is not None
    if p.kind == "window":
        return wrap(r, Window(p.shape, p.dtype, p.number))
    if p.kind == "pixel":
        return wrap(r, Pixel(p.shape, p.dtype, p.number))
    if p.kind == "kernel":
        return wrap(r, Argument(p.shape, p.dtype, p.number))
    raise ArgumentError(f"Expected a parameter of kind window, pixel, kernel, index or scalar, got {p.kind!r}.")


def _takes_axis(function: Callable[..., Any], count: int) -> bool:
    """Whether a Python function has a parameter `axis` beyond the first `count` ones."""
    if type(function) is FunctionType:
        code = function.__code__
        names = code.co_varnames
        total = code.co_argcount + code.co_kwonlyargcount
        return "axis" in names[:total] and names.index("axis") >= count
    if isinstance(function, functools.partial):
        inner = function.func
        return "axis" not in function.keywords and _takes_axis(inner, count + len(function.args))
    if isinstance(function, MethodType):
        return _takes_axis(function.__func__, count + 1)
    call = vars(type(function)).get("__call__")
    return type(call) is FunctionType and _takes_axis(call, count + 1)


def _place(function: Callable[..., Any]) -> str:
    """Where a function begins; of a partial of the library's whose first argument is the user's, where that does."""
    while isinstance(function, functools.partial):
        is_own = str(getattr(function.func, "__module__", "")).startswith(__name__.partition(".")[0] + ".")
        held = function.args[0] if is_own and function.args and callable(function.args[0]) else None
        function = function.func if held is None else held
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{code.co_filename}:{code.co_firstlineno} in {name}" if code else name


# -- results ----------------------------------------------------------------------------------------------------------


def _returned_nothing(what: str, place: str = "") -> Exception:
    return tracing_error(
        f"The function returned {what}; its result has to be a number, an array, or a tuple of these.",
        "def f(w):\n        np.sum(w)",
        "def f(w):\n        return np.sum(w)",
        place,
    )


def _output(r: Recorder, x: Any, place: str) -> Node:
    """One result as a node; a list appends its axes."""
    if isinstance(x, Value):
        if x._mask is not None:
            raise selected_misused()
        return x._node
    if x is None or isinstance(x, (str, bytes, dict)):
        raise _returned_nothing(repr(x) if x is None else f"a {type(x).__name__}", place)
    if isinstance(x, (list, tuple)) and _holds_traced(x):
        node: Node = FUNCTIONS[np.stack](r, [wrap(r, _output(r, y, place)) for y in x])._node
        return node
    return node_of(r, x)


def _holds_traced(x: Any) -> bool:
    return isinstance(x, Value) or (isinstance(x, (list, tuple)) and any(_holds_traced(y) for y in x))


# -- decisions --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Tree:
    """All paths through the decisions of a function, in depth-first order."""

    run: Callable[[tuple[bool, ...]], tuple[Recorder, Any]]
    paths: list[tuple[Recorder, Any]]

    def merged(self) -> Any:
        return self._merge(self.paths[0], 0)

    def _merge(self, path: tuple[Recorder, Any], depth: int) -> Any:
        """The result of all paths that begin with the first `depth` decisions of `path`, which says yes after them."""
        recorder, result = path
        if depth == len(recorder.decisions):
            return result
        condition = recorder.decisions[depth][0]
        yes = self._merge(path, depth + 1)
        if len(self.paths) >= MOST_PATHS:
            raise too_many_paths()
        other = self.run((*recorder.taken[:depth], False))
        self.paths.append(other)
        no = self._merge(other, depth + 1)
        return _chosen(recorder, condition, yes, no)


def _chosen(r: Recorder, condition: Node, yes: Any, no: Any) -> Any:
    """`select` of two results of the same structure, with their dtypes promoted."""
    groups = [isinstance(x, (tuple, list)) for x in (yes, no)]
    if any(groups):
        if not all(groups) or len(yes) != len(no):
            raise tracing_error(
                "The branches of a decision return different numbers of results.",
                "return (a, b) if np.mean(w) > t else a",
                "return (a, b) if np.mean(w) > t else (a, a)",
            )
        parts = [_chosen(r, condition, a, b) for a, b in zip(yes, no, strict=True)]
        return tuple(parts) if isinstance(yes, tuple) else parts
    for x in (yes, no):
        if x is None or isinstance(x, str):
            raise _returned_nothing("None in one of its branches" if x is None else "a str")
    specs = [
        type(x) if type(x) in {int, float} else x.dtype if isinstance(x, Value) else np.asarray(x).dtype
        for x in (yes, no)
    ]
    if specs[0] is specs[1] and specs[0] in {int, float}:
        specs = [np.asarray(x).dtype for x in (yes, no)]
    _, dtype = result_dtypes("select", (np.dtype(np.bool_), *specs))
    a, b = (node_of(r, x, dtype) for x in (yes, no))
    return wrap(r, elementwise("select", dtype, condition, a, b))
