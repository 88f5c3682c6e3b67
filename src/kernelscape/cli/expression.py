"""From an expression typed by a stranger to a function of windows, without ever running code.

The text is parsed by Python's parser, and the tree is checked node by node against `vocabulary.py` before anything
else happens: what is not listed there is refused, with its column. The checked tree is then walked, not compiled:
there is no `eval`, no namespace, and no attribute or function is reached except through the tables. Three bounds keep
an expression from being a bomb: its length and depth, the size of Python's integers, and the elements of any value.
The walk uses operators and NumPy functions only, so it works on traced values as on arrays.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from . import vocabulary as words
from .syntax import LARGEST_INTEGER, Checker, column_of, dtype_name, is_numpy, pointer, refusal, syntax_tree

LONGEST_TEXT = 4000
_MOST_ELEMENTS = 2**22
_GROWTH = 1024
_NOTE = "in the expression"

Function = Callable[..., Any]


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Parameters
    ----------
    text : str
        As it was typed, on one line.
    body : ast.expr
        Its syntax tree, which holds nothing but what `vocabulary.py` lists.
    names : tuple of str
        The inputs that it may use, in the order of the function's arguments.
    used : frozenset of str
        Those which it does use.
    positions : tuple of int
        The window axes whose coordinate it uses, increasing: further arguments of the function, after the inputs.
    offsets : tuple of int
        The window axes along which it uses the samples' distances from the centre: the last arguments.
    """

    text: str
    body: ast.expr
    names: tuple[str, ...]
    used: frozenset[str]
    positions: tuple[int, ...]
    offsets: tuple[int, ...]

    @property
    def is_truth(self) -> bool:
        """Whether the result is true or false, as far as the expression alone tells."""
        return _is_truth(self.body)

    def function(self) -> Function:
        """Give the function that computes the expression, of the inputs, then positions, then offsets.

        Examples
        --------
        >>> parse("np.median(w) + y", ["w"]).function()(np.array([1, 5, 2]), 10)
        np.float64(12.0)
        """
        axes = [_position_name(axis) for axis in self.positions] + [_offset_name(axis) for axis in self.offsets]
        parameters = (*self.names, *axes)

        def expression(*values: Any) -> Any:
            if len(values) != len(parameters):
                raise ArgumentError(f"The expression takes {', '.join(parameters)}; got {len(values)} values.")
            known = dict(zip(parameters, values, strict=True))
            limit = max(_MOST_ELEMENTS, _GROWTH * max((_elements(value) for value in values), default=0))
            return _Walk(self.text, known, limit).value(self.body)

        expression.__doc__ = self.text
        return expression


def parse(text: str, names: Sequence[str]) -> Expression:
    """Check an expression and make it a function.

    Parameters
    ----------
    text : str
        A Python expression of the inputs, such as ``"np.max(w * k)"``.
    names : sequence of str
        What the inputs are called.

    Returns
    -------
    Expression

    Raises
    ------
    ArgumentError
        For anything that is not an allowed word or construct; the text points at it and names the nearest allowed one.
    """
    if len(text) > LONGEST_TEXT:
        raise ArgumentError(
            f"An expression has at most {LONGEST_TEXT} characters; got {len(text)}. Write a Python function instead."
        )
    line = re.sub(r"[\s\0]", " ", text).strip()
    if not line:
        raise ArgumentError("The expression is empty; write one such as 'np.median(w)'.")
    body = syntax_tree(line)
    checker = Checker(line, frozenset(names))
    checker.check_depth(body)
    checker.check(body)
    if isinstance(body, (ast.Tuple, ast.List)):
        raise refusal(line, 0, "The expression gives several results; the command computes one: write one expression")
    used, positions, offsets = frozenset(checker.used), sorted(checker.positions), sorted(checker.offsets)
    return Expression(line, body, tuple(names), used, tuple(positions), tuple(offsets))


def _position_name(axis: int) -> str:
    return f"index({axis})"


def _offset_name(axis: int) -> str:
    return f"offset({axis})"


def _is_truth(node: ast.AST) -> bool:
    match node:
        case ast.Compare() | ast.UnaryOp(op=ast.Not()) | ast.Constant(value=True | False):
            return True
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return _is_truth(operand)
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr() | ast.BitXor(), left=left, right=right):
            return _is_truth(left) and _is_truth(right)
        case ast.BoolOp(values=values):
            return all(_is_truth(value) for value in values)
        case ast.IfExp(body=body, orelse=otherwise):
            return _is_truth(body) and _is_truth(otherwise)
        case ast.Subscript(value=value):
            return _is_truth(value)
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in words.TRUTHS
    return False


def _elements(value: Any) -> int:
    size = getattr(value, "size", 1)
    return size if isinstance(size, int) else 1


class _Walk:
    """Computes a checked tree for one set of arguments."""

    def __init__(self, line: str, known: Mapping[str, Any], limit: int) -> None:
        self.line = line
        self.known = known
        self.limit = limit
        self.rules: Mapping[type[ast.AST], Callable[[Any], Any]] = {
            ast.BinOp: self._binary,
            ast.UnaryOp: lambda node: words.UNARY[type(node.op)](self._number(node.operand)),
            ast.BoolOp: self._boolean,
            ast.Compare: self._compare,
            ast.IfExp: lambda node: self.value(node.body if self.value(node.test) else node.orelse),
            ast.Call: self._call,
            ast.Attribute: self._attribute,
            ast.Subscript: lambda node: self.value(node.value)[self.value(node.slice)],
            ast.Slice: lambda node: slice(*(part and self.value(part) for part in (node.lower, node.upper, node.step))),
            ast.Tuple: lambda node: tuple(self.value(entry) for entry in node.elts),
            ast.List: lambda node: [self.value(entry) for entry in node.elts],
            ast.Constant: lambda node: node.value,
            ast.Name: self._name,
        }

    def value(self, node: ast.AST) -> Any:
        try:
            result = self.rules[type(node)](node)
            if _elements(result) > self.limit:
                raise ArgumentError(f"A value of {result.size} elements for each pixel is too large; reduce it first.")
        except Exception as error:
            # The innermost place is the one to show; the exception itself belongs to whoever runs the function.
            if not any(note.startswith(_NOTE) for note in getattr(error, "__notes__", ())):
                error.add_note(f"{_NOTE}:\n{pointer(self.line, column_of(self.line, node))}")
            raise
        return result

    def _number(self, node: ast.AST) -> Any:
        """Compute an operand; Python would repeat or join a tuple, which is no arithmetic."""
        value = self.value(node)
        if isinstance(value, (tuple, list, str, slice)) or value is None or value is ...:
            raise ArgumentError(f"Arithmetic needs numbers and windows; got {type(value).__name__}.")
        return value

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self._number(node.left), self._number(node.right)
        whole = isinstance(left, int) and isinstance(right, int)
        if whole and self._bits(type(node.op), left, right) > 64:
            raise ArgumentError("The whole number that this gives is too large; write 2.0 instead of 2 for a float.")
        result = words.BINARY[type(node.op)](left, right)
        if type(result) is int and abs(result) >= LARGEST_INTEGER:
            raise ArgumentError("The whole number that this gives is too large; write 2.0 instead of 2 for a float.")
        return result

    @staticmethod
    def _bits(operation: type[ast.operator], left: int, right: int) -> int:
        """Bound the length of a result that could be astronomically long, before it is computed."""
        if right <= 0 or (left in (0, 1, -1) and operation is ast.Pow):
            return 0
        if operation is ast.Pow:
            return (left.bit_length() - 1) * right
        return left.bit_length() + right if operation is ast.LShift else 0

    def _boolean(self, node: ast.BoolOp) -> Any:
        # Python's own `and` and `or`: the last value that was needed, and truth is asked of all but the last.
        stop = isinstance(node.op, ast.Or)
        for operand in node.values[:-1]:
            value = self.value(operand)
            if bool(value) is stop:
                return value
        return self.value(node.values[-1])

    def _compare(self, node: ast.Compare) -> Any:
        left = self._number(node.left)
        result: Any = True
        for position, (comparison, operand) in enumerate(zip(node.ops, node.comparators, strict=True)):
            if position and not result:
                return result
            right = self._number(operand)
            result = words.COMPARISONS[type(comparison)](left, right)
            left = right
        return result

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.known:
            return self.known[node.id]
        if node.id in words.POSITIONS:
            return self.known[_position_name(words.POSITIONS[node.id])]
        if node.id in words.OFFSETS:
            return self.known[_offset_name(words.OFFSETS[node.id])]
        return getattr(np, node.id)  # one of words.CONSTANTS

    def _attribute(self, node: ast.Attribute) -> Any:
        if is_numpy(node.value):
            return getattr(np, node.attr)  # one of words.NUMPY_CONSTANTS
        return getattr(self._number(node.value), node.attr)  # one of words.ATTRIBUTES

    def _call(self, node: ast.Call) -> Any:
        callee = node.func
        if isinstance(callee, ast.Name):
            if callee.id == "index":
                return self.known[_position_name(self.value(node.args[0]))]
            return abs(self._number(node.args[0]))
        assert isinstance(callee, ast.Attribute)
        arguments = [self._argument(argument) for argument in node.args]
        keywords = {keyword.arg: self._argument(keyword.value) for keyword in node.keywords if keyword.arg}
        if not is_numpy(callee.value):
            is_linalg = isinstance(callee.value, ast.Attribute) and is_numpy(callee.value.value)
            owner = np.linalg if is_linalg else self._number(callee.value)
            return getattr(owner, callee.attr)(*arguments, **keywords)
        if callee.attr in words.DTYPES:
            (value,) = arguments
            kind = np.dtype(callee.attr)
            return value.astype(kind) if hasattr(value, "astype") else kind.type(value)
        return getattr(np, callee.attr)(*arguments, **keywords)

    def _argument(self, node: ast.expr) -> Any:
        kind = dtype_name(node)
        if kind is not None and not (isinstance(node, ast.Name) and node.id in self.known):
            return np.dtype(kind)
        return self.value(node)
