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
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError, unknown_name
from . import vocabulary as words

LONGEST_TEXT = 4000
DEEPEST_TREE = 100
_LARGEST_INTEGER = 2**64
_MOST_ELEMENTS = 2**22
_GROWTH = 1024
_EINSUM = re.compile(r"[A-Za-z,.\->\s]{1,64}")
_MOST_EINSUM_LETTERS = 8
_NOTE = "in the expression"
_EXCERPT = 48
_LONGEST_LIST = 12

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
    body = _syntax_tree(line)
    checker = _Checker(line, frozenset(names))
    checker.check_depth(body)
    checker.check(body)
    if isinstance(body, (ast.Tuple, ast.List)):
        raise _error(line, 0, "The expression gives several results; the command computes one: write one expression")
    used, positions, offsets = frozenset(checker.used), sorted(checker.positions), sorted(checker.offsets)
    return Expression(line, body, tuple(names), used, tuple(positions), tuple(offsets))


def _syntax_tree(line: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python finds odd is refused below, or harmless
            return ast.parse(line, mode="eval").body
    except SyntaxError as error:
        column = error.offset - 1 if error.offset else len(line)  # no offset: the end was reached too early
        assignment = re.search(r"(?<![=!<>])=(?!=)", line) and "(" not in line
        advice = "; write the value alone, without '='" if assignment else ""
        raise _error(line, column, f"This is not an expression: {error.msg}{advice}") from None
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        raise _error(line, 0, f"This expression cannot be read: {str(error) or 'it is nested too deeply'}") from None


def _error(line: str, column: int, message: str) -> ArgumentError:
    ending = "" if message.endswith((".", "?")) else "."
    return ArgumentError(f"{message}{ending}\n{_pointer(line, column)}")


def _pointer(line: str, column: int) -> str:
    """Show the place in two lines, with control characters made harmless for the terminal."""
    start = max(0, column - _EXCERPT)
    shown = "".join(letter if letter.isprintable() else "?" for letter in line[start : column + _EXCERPT])
    return f"  {shown}\n  {' ' * (column - start)}^ column {column + 1}"


def _column(line: str, node: ast.AST) -> int:
    # The parser counts bytes of UTF-8.
    offset = getattr(node, "col_offset", 0)
    return len(line.encode()[:offset].decode(errors="ignore"))


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


def _children(node: ast.AST) -> Iterator[ast.AST]:
    return (child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr_context))


class _Checker:
    """Refuses every node that the vocabulary does not list, and notes which inputs are used."""

    def __init__(self, line: str, names: frozenset[str]) -> None:
        self.line = line
        self.names = names
        self.used: set[str] = set()
        self.positions: set[int] = set()
        self.offsets: set[int] = set()
        self.rules: Mapping[type[ast.AST], Callable[[Any], None]] = {
            ast.BinOp: self._binary,
            ast.UnaryOp: self._unary,
            ast.BoolOp: self._all,
            ast.Compare: self._compare,
            ast.IfExp: self._all,
            ast.Call: self._call,
            ast.Attribute: self._attribute,
            ast.Subscript: self._all,
            ast.Slice: self._all,
            ast.Tuple: self._all,
            ast.List: self._all,
            ast.Constant: self._constant,
            ast.Name: self._name,
        }

    def refuse(self, node: ast.AST, message: str) -> ArgumentError:
        return _error(self.line, _column(self.line, node), message)

    def refuse_word(self, node: ast.AST, kind: str, given: str, known: Sequence[str] | frozenset[str]) -> ArgumentError:
        text, _, vocabulary = str(unknown_name(kind, given, sorted(known))).partition(" Expected one of ")
        if len(known) <= _LONGEST_LIST:
            text = f"{text} Expected one of {vocabulary}"
        elif "did you mean" not in text:
            text = f"{text} 'kernelscape apply --help' lists the allowed words"
        return self.refuse(node, text)

    def check_depth(self, root: ast.AST) -> None:
        level = [root]
        for _ in range(DEEPEST_TREE):
            level = [child for node in level for child in _children(node)]
            if not level:
                return
        raise self.refuse(level[0], f"The expression is nested more than {DEEPEST_TREE} levels deep")

    def check(self, node: ast.AST) -> None:
        rule = self.rules.get(type(node))
        if rule is None:
            what = words.REFUSED.get(type(node), f"{type(node).__name__} is not allowed in an expression")
            raise self.refuse(node, what[0].upper() + what[1:])
        rule(node)

    def _all(self, node: ast.AST) -> None:
        for child in _children(node):
            if not isinstance(child, ast.boolop):
                self.check(child)

    def _binary(self, node: ast.BinOp) -> None:
        if type(node.op) not in words.BINARY:
            raise self.refuse(node, f"The operator {type(node.op).__name__} is not allowed")
        self.check(node.left)
        self.check(node.right)

    def _unary(self, node: ast.UnaryOp) -> None:
        if type(node.op) not in words.UNARY:
            raise self.refuse(node, f"The operator {type(node.op).__name__} is not allowed")
        self.check(node.operand)

    def _compare(self, node: ast.Compare) -> None:
        for comparison in node.ops:
            if type(comparison) not in words.COMPARISONS:
                raise self.refuse(node, words.REFUSED.get(type(comparison), "This comparison is not allowed"))
        for operand in (node.left, *node.comparators):
            self.check(operand)

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, (str, bytes)):
            raise self.refuse(node, f"Text is allowed as the name of a dtype or a method only; got {value!r:.40}")
        if type(value) is int and value >= _LARGEST_INTEGER:
            raise self.refuse(node, "The number is too large for any integer type (2**64 - 1); write it as 1e20")

    def _name(self, node: ast.Name) -> None:
        name = node.id
        if name in self.names:
            self.used.add(name)
        elif name in words.POSITIONS:
            self.positions.add(words.POSITIONS[name])
        elif name in words.OFFSETS:
            self.offsets.add(words.OFFSETS[name])
        elif name == "np":
            raise self.refuse(node, "np alone is not a value; write np. and the name of a function")
        elif name in words.FUNCTIONS:
            raise self.refuse(node, f"{name!r} is a function of NumPy; write np.{name}")
        elif name not in words.CONSTANTS:
            known = [*sorted(self.names), "np", "index", *words.POSITIONS, *words.OFFSETS, *words.CONSTANTS]
            raise self.refuse(node, str(unknown_name("name", name, known)))

    def _attribute(self, node: ast.Attribute) -> None:
        if _is_numpy(node.value):
            if node.attr in words.NUMPY_CONSTANTS:
                return
            if node.attr in words.FUNCTIONS:
                raise self.refuse(node, f"np.{node.attr} is a function; call it: np.{node.attr}(w)")
            known = [f"np.{word}" for word in words.NUMPY_CONSTANTS | words.FUNCTIONS]
            raise self.refuse_word(node, "name", f"np.{node.attr}", known)
        self.check(node.value)
        if node.attr in words.METHODS:
            raise self.refuse(node, f".{node.attr} is a method; call it: .{node.attr}()")
        if node.attr not in words.ATTRIBUTES:
            raise self.refuse_word(node, "attribute", node.attr, words.ATTRIBUTES | words.METHODS)

    def _call(self, node: ast.Call) -> None:
        name = self._callee(node)
        if name == "index":
            self.positions.add(self._index_axis(node))
            return
        if (name == "abs" or name in words.DTYPES) and (len(node.args) != 1 or node.keywords):
            raise self.refuse(node, f"{name} takes one value, such as {name}(w)")
        for position, argument in enumerate(node.args):
            if not self._is_word(argument, name, position, None):
                self.check(argument)
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self.refuse(keyword.value, "Two stars are not allowed; write the keywords one by one")
            if keyword.arg not in words.KEYWORDS:
                raise self.refuse_word(keyword, "keyword", keyword.arg, words.KEYWORDS)
            if not self._is_word(keyword.value, name, None, keyword.arg):
                self.check(keyword.value)
        self._check_count(node, name)

    def _callee(self, node: ast.Call) -> str:
        """Name what is called, and refuse what may not be."""
        callee = node.func
        if isinstance(callee, ast.Name):
            if callee.id in ("abs", "index"):
                return callee.id
            if callee.id in words.FUNCTIONS:
                raise self.refuse(callee, f"{callee.id!r} is a function of NumPy; write np.{callee.id}")
            raise self.refuse_word(callee, "function", callee.id, ["abs", "index", *words.FUNCTIONS])
        if not isinstance(callee, ast.Attribute):
            raise self.refuse(callee, "Only np functions and methods can be called")
        if _is_numpy(callee.value):
            if callee.attr not in words.FUNCTIONS | words.DTYPES:
                known = [f"np.{word}" for word in words.FUNCTIONS | words.DTYPES]
                raise self.refuse_word(callee, "function", f"np.{callee.attr}", known)
        elif isinstance(callee.value, ast.Attribute) and _is_numpy(callee.value.value):
            if callee.value.attr != "linalg" or callee.attr not in words.LINALG_FUNCTIONS:
                given = f"np.{callee.value.attr}.{callee.attr}"
                raise self.refuse_word(
                    callee, "function", given, [f"np.linalg.{word}" for word in words.LINALG_FUNCTIONS]
                )
        else:
            self.check(callee.value)
            if callee.attr not in words.METHODS:
                raise self.refuse_word(callee, "method", callee.attr, words.METHODS)
        return callee.attr

    def _index_axis(self, node: ast.Call) -> int:
        argument = node.args[0] if len(node.args) == 1 and not node.keywords else None
        axis = argument.value if isinstance(argument, ast.Constant) else None
        if type(axis) is not int or not 0 <= axis < 32:
            raise self.refuse(node, "index takes the number of an axis, such as index(0) for the row")
        return axis

    def _is_word(self, node: ast.expr, function: str, position: int | None, keyword: str | None) -> bool:
        """Whether the argument is a text or a dtype that may stand at this place; refuse a text that may not."""
        wants_dtype = keyword == "dtype" or (function == "astype" and position == 0)
        if wants_dtype:
            if _dtype_name(node) is None:
                given = node.value if isinstance(node, ast.Constant) else ast.unparse(node)[:40]
                raise self.refuse_word(node, "dtype", str(given), words.DTYPES)
            return True
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            return False
        place = "ord" if function == "norm" and position == 1 else keyword or ""
        if function == "einsum" and position == 0:
            letters = set(re.sub(r"[^A-Za-z]", "", node.value))
            if not _EINSUM.fullmatch(node.value) or len(letters) > _MOST_EINSUM_LETTERS:
                raise self.refuse(node, f"einsum takes subscripts such as 'ij,ij->', got {node.value!r:.40}")
            return True
        if place in words.KEYWORD_TEXTS:
            if node.value not in words.KEYWORD_TEXTS[place]:
                raise self.refuse_word(node, place, node.value, words.KEYWORD_TEXTS[place])
            return True
        return False

    def _check_count(self, node: ast.Call, name: str) -> None:
        if name not in words.COUNTS:
            return
        keyword, position, largest = words.COUNTS[name]
        if isinstance(node.func, ast.Attribute) and not _is_numpy(node.func.value):
            position -= 1  # a method has its array in front of the dot
        given = [entry.value for entry in node.keywords if entry.arg == keyword] + node.args[position : position + 1]
        for count in given:
            number = count.operand if isinstance(count, ast.UnaryOp) else count
            value = number.value if isinstance(number, ast.Constant) else None
            if type(value) is not int or value > largest:
                raise self.refuse(count, f"{keyword} of {name} must be a whole number up to {largest}")


def _is_numpy(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "np"


def _dtype_name(node: ast.AST) -> str | None:
    """Give the dtype that np.float32, "float32" or float stands for, or None."""
    if isinstance(node, ast.Attribute) and _is_numpy(node.value) and node.attr in words.DTYPES:
        return node.attr
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in words.DTYPES:
        return node.value
    if isinstance(node, ast.Name):
        return words.BUILTIN_DTYPES.get(node.id)
    return None


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
                error.add_note(f"{_NOTE}:\n{_pointer(self.line, _column(self.line, node))}")
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
        if type(result) is int and abs(result) >= _LARGEST_INTEGER:
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
        if _is_numpy(node.value):
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
        if not _is_numpy(callee.value):
            is_linalg = isinstance(callee.value, ast.Attribute) and _is_numpy(callee.value.value)
            owner = np.linalg if is_linalg else self._number(callee.value)
            return getattr(owner, callee.attr)(*arguments, **keywords)
        if callee.attr in words.DTYPES:
            (value,) = arguments
            kind = np.dtype(callee.attr)
            return value.astype(kind) if hasattr(value, "astype") else kind.type(value)
        return getattr(np, callee.attr)(*arguments, **keywords)

    def _argument(self, node: ast.expr) -> Any:
        kind = _dtype_name(node)
        if kind is not None and not (isinstance(node, ast.Name) and node.id in self.known):
            return np.dtype(kind)
        return self.value(node)
