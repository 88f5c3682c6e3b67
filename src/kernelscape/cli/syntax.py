"""The check of an expression's syntax: what `vocabulary.py` does not list is refused, with its column.

Checking comes before everything else and decides by the shape of the tree alone, so that a refused expression has
computed nothing. Whoever walks a checked tree may rely on it: every attribute and every called name is in a table.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import ArgumentError, unknown_name
from . import vocabulary as words

DEEPEST_TREE = 100
LARGEST_INTEGER = 2**64
_EINSUM = re.compile(r"[A-Za-z,.\->\s]{1,64}")
_MOST_EINSUM_LETTERS = 8
_EXCERPT = 48
_LONGEST_LIST = 12


def syntax_tree(line: str) -> ast.expr:
    """Parse one line; what Python cannot parse is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python finds odd is refused below, or harmless
            return ast.parse(line, mode="eval").body
    except SyntaxError as error:
        column = error.offset - 1 if error.offset else len(line)  # no offset: the end was reached too early
        assignment = re.search(r"(?<![=!<>])=(?!=)", line) and "(" not in line
        advice = "; write the value alone, without '='" if assignment else ""
        raise refusal(line, column, f"This is not an expression: {error.msg}{advice}") from None
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        raise refusal(line, 0, f"This expression cannot be read: {str(error) or 'it is nested too deeply'}") from None


def refusal(line: str, column: int, message: str) -> ArgumentError:
    """Make the error that points at a place of the line."""
    ending = "" if message.endswith((".", "?")) else "."
    return ArgumentError(f"{message}{ending}\n{pointer(line, column)}")


def pointer(line: str, column: int) -> str:
    """Show the place in two lines, with control characters made harmless for the terminal."""
    start = max(0, column - _EXCERPT)
    shown = "".join(letter if letter.isprintable() else "?" for letter in line[start : column + _EXCERPT])
    return f"  {shown}\n  {' ' * (column - start)}^ column {column + 1}"


def column_of(line: str, node: ast.AST) -> int:
    """Give the column where a node begins, counted in characters from 0."""
    # The parser counts bytes of UTF-8.
    offset = getattr(node, "col_offset", 0)
    return len(line.encode()[:offset].decode(errors="ignore"))


def _children(node: ast.AST) -> Iterator[ast.AST]:
    return (child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr_context))


class Checker:
    """Refuses every node that the vocabulary does not list, and notes which inputs are used.

    Parameters
    ----------
    line : str
        The text of the tree, for errors.
    names : frozenset of str
        What the inputs are called.
    """

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
        """Make the error that points at a node."""
        return refusal(self.line, column_of(self.line, node), message)

    def refuse_word(self, node: ast.AST, kind: str, given: str, known: Sequence[str] | frozenset[str]) -> ArgumentError:
        """Make the error for a word outside its vocabulary, naming the nearest one."""
        text, _, vocabulary = str(unknown_name(kind, given, sorted(known))).partition(" Expected one of ")
        if len(known) <= _LONGEST_LIST:
            text = f"{text} Expected one of {vocabulary}"
        elif "did you mean" not in text:
            text = f"{text} 'kernelscape apply --help' lists the allowed words"
        return self.refuse(node, text)

    def check_depth(self, root: ast.AST) -> None:
        """Refuse a tree that recursion could not walk; this does not recurse itself."""
        level = [root]
        for _ in range(DEEPEST_TREE):
            level = [child for node in level for child in _children(node)]
            if not level:
                return
        raise self.refuse(level[0], f"The expression is nested more than {DEEPEST_TREE} levels deep")

    def check(self, node: ast.AST) -> None:
        """Refuse a node, or anything below it, that is not listed."""
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
        if type(value) is int and value >= LARGEST_INTEGER:
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
        if is_numpy(node.value):
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
        if is_numpy(callee.value):
            if callee.attr not in words.FUNCTIONS | words.DTYPES:
                known = [f"np.{word}" for word in words.FUNCTIONS | words.DTYPES]
                raise self.refuse_word(callee, "function", f"np.{callee.attr}", known)
        elif isinstance(callee.value, ast.Attribute) and is_numpy(callee.value.value):
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
            if dtype_name(node) is None:
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
        if isinstance(node.func, ast.Attribute) and not is_numpy(node.func.value):
            position -= 1  # a method has its array in front of the dot
        given = [entry.value for entry in node.keywords if entry.arg == keyword] + node.args[position : position + 1]
        for count in given:
            number = count.operand if isinstance(count, ast.UnaryOp) else count
            value = number.value if isinstance(number, ast.Constant) else None
            if type(value) is not int or value > largest:
                raise self.refuse(count, f"{keyword} of {name} must be a whole number up to {largest}")


def is_numpy(node: ast.AST) -> bool:
    """Whether a node is the word np."""
    return isinstance(node, ast.Name) and node.id == "np"


def dtype_name(node: ast.AST) -> str | None:
    """Give the dtype that np.float32, "float32" or float stands for, or None."""
    if isinstance(node, ast.Attribute) and is_numpy(node.value) and node.attr in words.DTYPES:
        return node.attr
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in words.DTYPES:
        return node.value
    if isinstance(node, ast.Name):
        return words.BUILTIN_DTYPES.get(node.id)
    return None
