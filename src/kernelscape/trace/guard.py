"""Whether an earlier trace of a function still stands, so that a repeated call need not trace again.

A trace depends on the function's code and on what the code can see: defaults, closure cells, globals, and in turn what
the plain Python functions among these see. A guard remembers all of it, as long as it is immutable (numbers, strings,
tuples of such), a module, a builtin, or one of NumPy's functions; arrays are remembered by identity and content, since
the function may have computed with them while it was traced. Anything else (a list, an object with attributes, a large
array) makes the function one that is traced at every call.

Closure cells and globals are looked up again at each check, by identity first: rebinding ``t`` between two calls is
seen.
"""

from __future__ import annotations

import builtins
import dis
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

_LARGEST_ARRAY = 16384
_FROZEN = (
    *(int, float, complex, str, bytes, bool, type(None), type(Ellipsis)),
    *(np.generic, np.dtype, np.ufunc, type(np.sum)),
)
_TRUSTED = frozenset(
    {"numpy", "scipy", "math", "cmath", "operator", "_operator", "functools", "itertools", "builtins", "kernelscape"}
)

# Names that reach what a guard does not see: other namespaces, files, and the generators of random numbers.
_OPAQUE = frozenset({"eval", "exec", "globals", "locals", "vars", "open", "input", "random", "default_rng"})


class _Unguardable(Exception):  # noqa: N818
    """Something that may change without notice."""


class Guard:
    """What a trace of one function depended on.

    Use `Guard.of`, and `matches` before the trace is used again.
    """

    __slots__ = ("_arrays", "_cells", "_function", "_globals", "_identities")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._cells: list[tuple[CellType, Any]] = []
        self._globals: list[tuple[dict[str, Any], str, Any]] = []
        self._identities: list[tuple[FunctionType, CodeType, Any, Any]] = []
        self._arrays: list[tuple[np.ndarray[Any, Any], bytes]] = []

    @staticmethod
    def of(function: Callable[..., Any]) -> Guard | None:
        """A guard for a function as it is now; None when it depends on what cannot be watched.

        Examples
        --------
        >>> guard = Guard.of(np.median)
        >>> guard.matches(np.median), guard.matches(np.mean)
        (True, False)
        """
        guard = Guard(function)
        try:
            guard._watch(function, set())
        except _Unguardable:
            return None
        return guard

    def matches(self, function: Callable[..., Any]) -> bool:
        """Whether `function` is the guarded one and all that it depends on is as it was."""
        if function is not self._function:
            return False
        try:
            for cell, value in self._cells:
                if cell.cell_contents is not value:
                    return False
            for names, name, value in self._globals:
                if names[name] is not value:
                    return False
        except (KeyError, ValueError):
            return False
        for known, code, defaults, keyword_defaults in self._identities:
            if known.__code__ is not code or known.__defaults__ is not defaults:
                return False
            if keyword_defaults is not None and known.__kwdefaults__ != keyword_defaults:
                return False
        return all(array.tobytes() == content for array, content in self._arrays)

    # -- what is watched ----------------------------------------------------------------------------------------------

    def _watch(self, value: Any, seen: set[int], attributes: tuple[str, ...] = ()) -> None:
        """One value that the function can see, and what it can see through it; `attributes` are those that it reads."""
        if isinstance(value, _FROZEN) or id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, FunctionType):
            if not _trusted(value.__module__):
                self._watch_function(value, seen)
        elif isinstance(value, ModuleType):
            if not _trusted(value.__name__):
                for name in attributes:
                    if name in vars(value):
                        self._watch_name(vars(value), name, seen, attributes)
        elif isinstance(value, (tuple, frozenset)):
            for part in value:
                self._watch(part, seen, attributes)
        elif isinstance(value, np.ndarray) and value.nbytes <= _LARGEST_ARRAY and not value.dtype.hasobject:
            self._arrays.append((value, value.tobytes()))
        elif isinstance(value, partial):
            for part in (value.func, value.args, *value.keywords.values()):
                self._watch(part, seen, attributes)
        elif isinstance(value, BuiltinFunctionType):
            self._watch(value.__self__, seen)  # a module, or the object of a bound method
        elif not isinstance(value, type) or not _trusted(value.__module__):
            raise _Unguardable

    def _watch_function(self, function: FunctionType, seen: set[int]) -> None:
        code = _read_by(function.__code__)
        if not code.harmless or function.__dict__:
            raise _Unguardable
        keyword_defaults = dict(function.__kwdefaults__) if function.__kwdefaults__ else None
        self._identities.append((function, function.__code__, function.__defaults__, keyword_defaults))
        for value in (*(function.__defaults__ or ()), *(keyword_defaults or {}).values()):
            self._watch(value, seen, code.attributes)
        for cell in function.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:
                raise _Unguardable from None
            self._cells.append((cell, content))
            self._watch(content, seen, code.attributes)
        for name in code.names:
            for table in (function.__globals__, vars(builtins)):
                if name in table:
                    self._watch_name(table, name, seen, code.attributes)
                    break
            else:
                raise _Unguardable

    def _watch_name(self, table: dict[str, Any], name: str, seen: set[int], attributes: tuple[str, ...]) -> None:
        self._globals.append((table, name, table[name]))
        self._watch(table[name], seen, attributes)


def _trusted(module: str | None) -> bool:
    """Whether a module, by its name, is one that nobody rebinds things in."""
    return (module or "").partition(".")[0] in _TRUSTED


@dataclass(frozen=True, slots=True)
class _Read:
    """What a code object reads, inner functions included: global names, and attributes of anything."""

    names: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    harmless: bool = True


@cache
def _read_by(code: CodeType) -> _Read:
    names: dict[str, None] = {}
    attributes: dict[str, None] = {}
    for instruction in dis.get_instructions(code):
        operation, name = instruction.opname, str(instruction.argval)
        if operation in {"LOAD_GLOBAL", "LOAD_NAME"}:
            names[name] = None
        elif operation in {"LOAD_ATTR", "LOAD_METHOD"}:
            attributes[name] = None
        elif operation in {"STORE_GLOBAL", "DELETE_GLOBAL", "IMPORT_NAME"} or (
            operation == "STORE_DEREF" and name in code.co_freevars
        ):
            return _Read(harmless=False)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = _read_by(constant)
            if not inner.harmless:
                return inner
            names.update(dict.fromkeys(inner.names))
            attributes.update(dict.fromkeys(inner.attributes))
    if not _OPAQUE.isdisjoint((*names, *attributes)):
        return _Read(harmless=False)
    return _Read(tuple(names), tuple(attributes))
