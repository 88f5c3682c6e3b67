"""Python's notation and NumPy's protocols on traced values: what stands between a user's line and an expression.

Operators and ufuncs become nodes through `operators`; NumPy functions are looked up in one table; and what would need
the data (float, int, an array) is refused with a page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from kernelscape.expression import Node, cast
from kernelscape.semantics import OPERATORS
from kernelscape.trace.operators import Value, operate, power, unstacked
from kernelscape.trace.page import tracing_error
from kernelscape.trace.recorder import Recorder

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""NumPy function -> implementation ``(recorder, *args, **kwargs)``; filled by the modules that implement them."""

UFUNC_METHODS: dict[tuple[str, str], Callable[..., Any]] = {}
"""(ufunc name, ``"__call__"`` or another method) -> implementation, for what is not a row of ``OPERATORS``."""

KINDS: list[type[Value]] = []
"""The classes of arrays and of selections, which build on this module; filled by ``value.py``."""


def wrap(r: Recorder, node: Node, mask: Node | None = None) -> Any:
    """A new traced value; with a mask, a selection."""
    kind = KINDS[mask is not None]
    value: Value = kind.__new__(kind)
    value._node = node
    value._recorder = r
    value._mask = mask
    value._views = None
    value._source = None
    return value


def _binary(name: str) -> Callable[[Any, Any], Any]:
    def method(self: Value, other: Any) -> Any:
        if _defers(other):
            return NotImplemented
        r = self._recorder
        return wrap(r, *operate(r, name, (self, other)))

    return method


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    def method(self: Value, other: Any) -> Any:
        if _defers(other):
            return NotImplemented
        r = self._recorder
        return wrap(r, *operate(r, name, (other, self)))

    return method


def _defers(other: Any) -> bool:
    return other is None or isinstance(other, str)


def _unary(name: str) -> Callable[[Any], Any]:
    def method(self: Value) -> Any:
        r = self._recorder
        return wrap(r, *operate(r, name, (self,)))

    return method


def _in_place(symbol: str) -> Callable[[Any, Any], Any]:
    def method(self: Value, other: Any) -> Any:
        result = getattr(self, f"__{symbol}__")(other)
        if result is NotImplemented:
            return result
        if not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise TypeError(
                f"Cannot cast the result of an in-place operation from {result.dtype} to {self.dtype} "
                "with casting rule 'same_kind'; write w = w + x instead of w += x."
            )
        if result._node.shape != self._node.shape:
            raise ValueError(f"in-place operation: {result._node.shape} does not fit into {self._node.shape}")
        self._replace(cast(result._node, self.dtype))
        return self

    return method


class Operators(Value):
    """Arithmetic, comparison and logic, in Python's notation."""

    __slots__ = ()

    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("subtract"), _reflected("subtract")
    __mul__, __rmul__ = _binary("multiply"), _reflected("multiply")
    __truediv__, __rtruediv__ = _binary("divide"), _reflected("divide")
    __floordiv__, __rfloordiv__ = _binary("floor_divide"), _reflected("floor_divide")
    __mod__, __rmod__ = _binary("remainder"), _reflected("remainder")
    __and__, __rand__ = _binary("bitwise_and"), _reflected("bitwise_and")
    __or__, __ror__ = _binary("bitwise_or"), _reflected("bitwise_or")
    __xor__, __rxor__ = _binary("bitwise_xor"), _reflected("bitwise_xor")
    __lshift__, __rlshift__ = _binary("left_shift"), _reflected("left_shift")
    __rshift__, __rrshift__ = _binary("right_shift"), _reflected("right_shift")
    __lt__, __le__ = _binary("less"), _binary("less_equal")
    __gt__, __ge__ = _binary("greater"), _binary("greater_equal")
    __eq__, __ne__ = _binary("equal"), _binary("not_equal")
    __hash__ = None
    __neg__, __pos__, __abs__, __invert__ = (_unary(n) for n in ("negative", "positive", "absolute", "invert"))

    __iadd__, __isub__, __imul__ = _in_place("add"), _in_place("sub"), _in_place("mul")
    __itruediv__, __ifloordiv__, __imod__ = _in_place("truediv"), _in_place("floordiv"), _in_place("mod")
    __ipow__, __iand__, __ior__ = _in_place("pow"), _in_place("and"), _in_place("or")
    __ixor__, __ilshift__, __irshift__ = _in_place("xor"), _in_place("lshift"), _in_place("rshift")

    def __pow__(self, exponent: Any) -> Any:
        r = self._recorder
        return wrap(r, *power(r, self, exponent, shortcuts=True))

    def __rpow__(self, base: Any) -> Any:
        r = self._recorder
        return wrap(r, *power(r, base, self))

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    # -- what NumPy calls ---------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        r, name = self._recorder, ufunc.__name__
        out = kwargs.pop("out", None)
        if out is not None:
            refuse_out(name)
        special = UFUNC_METHODS.get((name, method))
        if special is None and method != "__call__":
            special = UFUNC_METHODS.get(("*", method))
            if special is not None:
                return special(r, name, *inputs, **kwargs)
        if special is not None:
            return special(r, *inputs, **kwargs)
        where, dtype = kwargs.pop("where", True), kwargs.pop("dtype", None)
        kwargs.pop("casting", None)
        if kwargs or where is not True or name not in OPERATORS:
            refuse_function(f"np.{name}" + (f" with {', '.join(kwargs) or 'where'}=" if name in OPERATORS else ""))
        if dtype is not None:
            inputs = tuple(x.astype(dtype) if isinstance(x, Value) else x for x in inputs)  # type: ignore[attr-defined]
        return wrap(r, *operate(r, name, inputs))

    def __array_function__(self, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        implementation = FUNCTIONS.get(func)
        if implementation is None:
            refuse_function(f"np.{func.__name__}")
        if kwargs.pop("out", None) is not None:
            refuse_out(func.__name__)
        return implementation(self._recorder, *args, **kwargs)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise unstacked()

    # -- what would need the data -------------------------------------------------------------------------------------

    def __float__(self) -> float:
        raise tracing_error(
            "A Python float is asked of a value that is not known while the function is traced: float() and all of "
            "the math module work on one number, and NumPy's functions of the same names on any value. An assignment "
            "into an array of NumPy's asks for a float too: make such an array from the window, as np.zeros_like(w) "
            "does, or join the parts with np.stack.",
            "lambda w: math.sqrt(np.var(w))",
            "lambda w: np.sqrt(np.var(w))",
        )

    __complex__ = __float__

    def __int__(self) -> int:
        raise tracing_error(
            "A Python integer is asked of a value that is not known while the function is traced.",
            "lambda w: int(np.mean(w))",
            "lambda w: np.mean(w).astype(np.int64)",
        )

    __trunc__ = __int__

    def __index__(self) -> int:
        raise tracing_error(
            "A value that is not known while the function is traced is used as a size, a range or a list index.",
            "lambda w: sum(w[0, i] for i in range(np.argmax(w[0])))",
            "lambda w: np.sum(w[0], where=np.arange(w.shape[1]) < np.argmax(w[0]))",
        )


def refuse_function(name: str) -> NoReturn:
    raise tracing_error(
        f"{name} cannot be traced: it is not among the functions that Kernelscape turns into expressions.",
        f"lambda w: {name}(w)",
        "the same written with arithmetic, comparisons, np.where, np.sort and reductions such as np.sum and np.median",
    )


def refuse_out(name: str) -> NoReturn:
    raise tracing_error(
        f"{name} is given out=, an array to write into; the arrays of a traced function do not exist yet.",
        f"np.{name}(w, out=buffer)",
        f"buffer = np.{name}(w)",
    )
