"""The expression language of the command line: what it computes, and everything that it must refuse.

Allowed expressions are compared with the same expression written as a Python function. Hostile ones come as a list of
attacks, each with the words that the refusal must contain, as a search over random combinations of tokens, and under an
audit hook of the interpreter that sees every file, import and process. Not tested here: which expressions the tracer
can trace.
"""

import ast
import contextlib
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelscape.cli import vocabulary
from kernelscape.cli.expression import LONGEST_TEXT, parse
from kernelscape.cli.syntax import DEEPEST_TREE
from kernelscape.errors import ArgumentError

W = np.random.default_rng(5).normal(10, 4, (5, 5)).astype(np.float32)
K = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]).astype(np.float32)
B = W[::-1] * 2


def compute(text: str, **values: object) -> object:
    return parse(text, list(values)).function()(*values.values())


ALLOWED = {
    "np.median(w)": lambda w, k, b: np.median(w),
    "np.max(w * k)": lambda w, k, b: np.max(w * k),
    "np.sum(w**2 - b**2)": lambda w, k, b: np.sum(w**2 - b**2),
    "w[2, 2]": lambda w, k, b: w[2, 2],
    "w[1:-1, ::2].mean()": lambda w, k, b: w[1:-1, ::2].mean(),
    "w[..., None].T.shape[0]": lambda w, k, b: w[..., None].T.shape[0],
    "w[w.shape[0] // 2, -1] % 3": lambda w, k, b: w[w.shape[0] // 2, -1] % 3,
    "np.mean(w[w > np.mean(w)])": lambda w, k, b: np.mean(w[w > np.mean(w)]),
    "np.percentile(w, [10, 90], method='nearest')": lambda w, k, b: np.percentile(w, [10, 90], method="nearest"),
    "np.std(w, axis=(0, 1), ddof=1)": lambda w, k, b: np.std(w, axis=(0, 1), ddof=1),
    "np.where(w > b, w, -b).sum(axis=0)": lambda w, k, b: np.where(w > b, w, -b).sum(axis=0),
    "np.sum(w, where=w > 9)": lambda w, k, b: np.sum(w, where=w > 9),
    "1.5 if np.sum(w) > 3 else np.min(b)": lambda w, k, b: 1.5 if np.sum(w) > 3 else np.min(b),
    "0 if w.min() > 1e3 or w.max() < 0 and 1 else 2": lambda w, k, b: 0 if w.min() > 1e3 or w.max() < 0 else 2,
    "not (0 < w[0, 0] < 1e6)": lambda w, k, b: not (0 < w[0, 0] < 1e6),
    "np.linalg.norm(w, ord='fro')": lambda w, k, b: np.linalg.norm(w, ord="fro"),
    "np.linalg.norm(w, 'nuc')": lambda w, k, b: np.linalg.norm(w, "nuc"),
    "np.einsum('ij,ij->', w, k)": lambda w, k, b: np.einsum("ij,ij->", w, k),
    "w.astype('uint8').sum(dtype='int64')": lambda w, k, b: w.astype("uint8").sum(dtype="int64"),
    "w.astype(np.float64).var()": lambda w, k, b: w.astype(np.float64).var(),
    "np.float64(w).sum() / np.int32(3)": lambda w, k, b: np.float64(w).sum() / np.int32(3),
    "w.astype(int).max() << 2 | 1": lambda w, k, b: w.astype(int).max() << 2 | 1,
    "~(w > 9) & (b < 30) ^ (k == 1)": lambda w, k, b: ~(w > 9) & (b < 30) ^ (k == 1),
    "(w @ k).trace() - +w[0, 0]": lambda w, k, b: (w @ k).trace() - +w[0, 0],
    "np.hypot(w, b)[0, 0] * pi + e + np.pi * np.e": lambda w, k, b: np.hypot(w, b)[0, 0] * np.pi + np.e + np.pi * np.e,
    "np.clip(w, -inf, 9.5).max()": lambda w, k, b: np.clip(w, -np.inf, 9.5).max(),
    "abs(-w).max()": lambda w, k, b: abs(-w).max(),
    "np.stack([w, b])[1].ravel()[np.argmax(w)]": lambda w, k, b: np.stack([w, b])[1].ravel()[np.argmax(w)],
    "np.average(w, weights=k)": lambda w, k, b: np.average(w, weights=k),
    "np.select([w > 12, w > 9], [2, 1], default=0).sum()": lambda w, k, b: np.select([w > 12, w > 9], [2, 1], 0).sum(),
    "np.diff(w, n=2, axis=1).max()": lambda w, k, b: np.diff(w, n=2, axis=1).max(),
    "2**10 + (-2)**3 - 2**-1 + 7 // 2": lambda w, k, b: 2**10 + (-2) ** 3 - 2**-1 + 7 // 2,
    "np.sum(w)\n  - np.sum(b)\t": lambda w, k, b: np.sum(w) - np.sum(b),
}


@pytest.mark.parametrize("text", ALLOWED)
def test_allowed_expressions_compute_what_python_computes(text: str) -> None:
    actual, expected = compute(text, w=W, k=K, b=B), ALLOWED[text](W, K, B)
    assert np.asarray(actual).dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(actual, expected)


def test_positions_and_offsets_become_arguments() -> None:
    expression = parse("np.sum(w * np.exp(-(dx**2 + dy**2) / (y + 1))) + index(2) - x", ["w"])
    assert (expression.positions, expression.offsets) == ((0, 1, 2), (0, 1))
    dy, dx = np.mgrid[-2:3, -2:3]
    actual = expression.function()(W, 4, 7, 100, dy, dx)
    np.testing.assert_allclose(actual, np.sum(W * np.exp(-(dx**2 + dy**2) / 5)) + 93)
    with pytest.raises(ArgumentError, match=r"takes w, index\(0\), index\(1\), index\(2\), offset\(0\), offset\(1\)"):
        expression.function()(W)


def test_inputs_hide_positions_and_constants() -> None:
    assert compute("e + y", e=1, y=2) == 3
    assert parse("a + y", ["a", "y"]).positions == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w > 3", True),
        ("~(w > 3)", True),
        ("(w > 3) & (b < 2) | np.isnan(w)", True),
        ("np.all(w > 3)", True),
        ("(w > 3).any()", True),
        ("not np.sum(w)", True),
        ("w[0, 0] > 3 and b[0, 0] > 3", True),
        ("(w > 3)[0, 0]", True),
        ("w[w > 3]", False),
        ("np.sum(w > 3)", False),
        ("w & 3", False),
        ("~w", False),
        ("1 if w[0, 0] > 3 else 0", False),
    ],
)
def test_truth_is_recognised(text: str, expected: bool) -> None:
    assert parse(text, ["w", "b"]).is_truth is expected
    if expected:
        assert np.asarray(compute(text, w=W, b=B)).dtype == np.bool_


# --- attacks: what is typed, and what the refusal says

ATTACKS = {
    # reaching the interpreter
    "__import__('os').system('id')": "system",
    "__import__('os')": "Unknown function '__import__'",
    "__builtins__": "Unknown name '__builtins__'",
    "eval('1')": "Unknown function 'eval'",
    "exec('x=1')": "Unknown function 'exec'",
    "open('/etc/passwd').read()": "Unknown function 'open'",
    "compile('1', '', 'eval')": "Unknown function 'compile'",
    "globals()": "Unknown function 'globals'",
    "getattr(w, 'tofile')": "Unknown function 'getattr'",
    "breakpoint()": "Unknown function 'breakpoint'",
    "().__class__.__bases__[0].__subclasses__()": "Unknown attribute",
    "w.__class__": "Unknown attribute '__class__'",
    "w.__class__.__mro__": "Unknown attribute",
    "w.__array_interface__": "Unknown attribute",
    "w.__reduce__()": "Unknown method '__reduce__'",
    "(1).__class__": "Unknown attribute",
    "''.join(['a'])": "Text is allowed",
    "'{0.__class__}'.format(w)": "Text is allowed",
    "f'{w.__class__}'": "Text is not allowed",
    "b'abc'": "Text is allowed",
    "w.tofile('/tmp/x')": "Unknown method 'tofile'",
    "w.dump('/tmp/x')": "Unknown method 'dump'",
    "w.base": "Unknown attribute 'base'",
    "w.ctypes": "Unknown attribute 'ctypes'",
    "w.data": "Unknown attribute 'data'",
    "w.dtype.type": "Unknown attribute",
    "w.setflags(write=True)": "Unknown method 'setflags'",
    "w.view('O')": "Unknown method 'view'",
    # reaching files and code through NumPy
    "np": "np alone is not a value",
    "np.load('x.npy', allow_pickle=True)": "Unknown function 'np.load'",
    "np.fromfile('/etc/passwd')": "Unknown function 'np.fromfile'",
    "np.save('x', w)": "Unknown function 'np.save'",
    "np.memmap('x')": "Unknown function 'np.memmap'",
    "np.lib.format.open_memmap('x')": "Unknown name 'np.lib'",
    "np.lib.npyio.load('x')": "Unknown name 'np.lib'",
    "np.os.system('id')": "Unknown function 'np.os.system'",
    "np.sys.modules": "Unknown name 'np.sys'",
    "np.f2py.compile('x')": "Unknown function 'np.f2py.compile'",
    "np.ctypeslib.load_library('x', 'y')": "Unknown function 'np.ctypeslib.load_library'",
    "np.linalg.__builtins__['eval']": "Unknown name 'np.linalg'",
    "np.linalg.linalg.norm(w)": "Unknown name 'np.linalg'",
    "np.linalg.inv(w)": "Unknown function 'np.linalg.inv'",
    "np.random.bytes(10)": "Unknown function 'np.random.bytes'",
    "np.vectorize(np.sum)(w)": "Only np functions and methods can be called",
    "np.frompyfunc(np.sum, 1, 1)": "Unknown function 'np.frompyfunc'",
    "np.apply_along_axis(np.sum, 0, w)": "Unknown function 'np.apply_along_axis'",
    "np.piecewise(w, [w > 1], [np.sum])": "Unknown function 'np.piecewise'",
    "np.__dict__": "Unknown name 'np.__dict__'",
    "np.sum.__globals__": "np.sum is a function",
    "np.add.reduce(w)": "Unknown function 'np.add.reduce'",
    "np.sum(w, out=w)": "Unknown keyword 'out'",
    "np.median(w, overwrite_input=True)": "Unknown keyword 'overwrite_input'",
    "np.add(w, w, casting='unsafe')": "Unknown keyword 'casting'",
    "w.sort()": "Unknown method 'sort'",
    "w.fill(0)": "Unknown method 'fill'",
    "np.put(w, 0, 1)": "Unknown function 'np.put'",
    "w.astype('O')": "Unknown dtype 'O'",
    "w.astype('V1000000')": "Unknown dtype",
    "w.astype(dtype=object)": "Unknown dtype",
    "np.sum(w, dtype='float32,(1000,1000)int8')": "Unknown dtype",
    "np.percentile(w, 3, method='os')": "Unknown method 'os'",
    # syntax that makes names, loops or functions
    "(lambda: 1)()": "Only np functions",
    "lambda w: w": "Lambda is not needed",
    "[v for v in w]": "Loops are not allowed",
    "sum(v for v in w)": "'sum' is a function of NumPy; write np.sum",
    "np.sum(v for v in w)": "Loops are not allowed",
    "{v: 1 for v in w}": "Loops are not allowed",
    "{1, 2}": "Sets are not allowed",
    "{'a': 1}": "Dictionaries are not allowed",
    "(z := 3)": "Assignment is not allowed",
    "w = 3": "This is not an expression",
    "import os": "This is not an expression",
    "w; w": "This is not an expression",
    "del w": "This is not an expression",
    "yield w": "This is not an expression",
    "await w": "not allowed",
    "np.sum(*w)": "The star is not allowed",
    "np.sum(**w)": "Two stars are not allowed",
    "w in w": "'in' is not allowed",
    "w is w": "'is' is not allowed",
    "w, w": "several results",
    "w[*w]": "not",
    "print(w)": "Unknown function 'print'",
    "w(1)": "Unknown function 'w'",
    "w[0](1)": "Only np functions",
    "np.sum(w)(1)": "Only np functions",
    "np.sum(np.sum)": "np.sum is a function; call it",
    "w.mean + 1": ".mean is a method; call it",
    # bombs that the text shows
    "99999999999999999999999999": "too large",
    "9" * 3000: "too large",
    "9" * 3900 + "**9": "",
    "(" * 300 + "w" + ")" * 300: "nested",
    "(" * 150 + "w" + ")" * 150 + "+" + "-" * 150 + "w": "levels deep",
    "-" * 3900 + "w": "",
    "w" + ".T" * 1900: "levels deep",
    "w" + "[0]" * 1300: "levels deep",
    "+".join(["w"] * 1900): "levels deep",
    "w" * (LONGEST_TEXT + 1): "at most",
    "np.diff(w, n=10**9)": "n of diff must be",
    "np.diff(w, 1000000000)": "n of diff must be",
    "np.round(w, 999999999)": "decimals of round must be",
    "w.round(999999999)": "decimals of round must be",
    "np.einsum('ab,cd,ef,gh,ij->abcdefghij', w, w, w, w, w)": "einsum takes subscripts",
    "np.einsum('__import__', w)": "einsum takes subscripts",
    "np.zeros(10**10)": "Unknown function 'np.zeros'",
    "np.ones((100000, 100000))": "Unknown function 'np.ones'",
    "np.repeat(w, 10**9)": "Unknown function 'np.repeat'",
    "np.tile(w, 10**9)": "Unknown function 'np.tile'",
    "np.arange(10**10)": "Unknown function 'np.arange'",
    "np.broadcast_to(w, (10**9, 5, 5))": "Unknown function 'np.broadcast_to'",
    "np.resize(w, 10**9)": "Unknown function 'np.resize'",
    "np.pad(w, 10**5)": "Unknown function 'np.pad'",
    "w.repeat(10**9)": "Unknown method 'repeat'",
    "w.resize(10**9)": "Unknown method 'resize'",
    # not text at all
    "": "The expression is empty",
    "  \n\t ": "The expression is empty",
    "\0": "The expression is empty",
    "w\0.T.x": "",
    "\ud800": "",
    "\x1b[31mw": "",
    "w # comment ) (": None,
    "ｗ＋１": "This is not an expression",
    "w.mean(\u202e)": "",
    "index(w)": "number of an axis",
    "index(-1)": "number of an axis",
    "index(10**9)": "number of an axis",
    "abs()": "abs takes one value",
    "np.float32(w, w)": "float32 takes one value",
}


@pytest.mark.parametrize("text", ATTACKS, ids=lambda text: ascii(text[:40]))
def test_attacks_are_refused_before_anything_is_computed(text: str) -> None:
    expected = ATTACKS[text]
    if expected is None:
        parse(text, ["w"])
        return
    start = time.process_time()  # of the processor: the machine may be busy
    with pytest.raises(ArgumentError) as caught:
        parse(text, ["w"])
    assert time.process_time() - start < 1
    assert expected in str(caught.value)
    assert all(letter.isprintable() or letter == "\n" for letter in str(caught.value)), "the terminal must stay safe"


# Allowed word by word, and refused when the numbers are known.
BOMBS = {
    "9**9**9": "too large",
    "2**64": "too large",
    "(2**32)**3": "too large",
    "1 << 9999999999": "too large",
    "(2**62) * 5": "too large",
    "(-2)**99": "too large",
    "(w,) * 1000000000": "Arithmetic needs numbers and windows; got tuple",
    "[w] * 1000000000": "got list",
    "(w,) + (w,)": "got tuple",
    "None * 3": "got NoneType",
    "w[:, :, None, None] * w * w[:, :, None, None, None, None] * w[..., None, None, None, None, None, None]"
    " * w[:, :, None, None, None, None, None, None, None, None]": "too large; reduce it first",
    "np.einsum('ab,cd,ef,gh->abcdefgh', w, w, w, w)"
    " * w[:, :, None, None, None, None, None, None, None, None]": "too large",
}


@pytest.mark.parametrize("text", BOMBS, ids=lambda text: text[:30])
def test_bombs_are_refused_before_they_burst(text: str) -> None:
    function = parse(text, ["w"]).function()
    start = time.process_time()
    with pytest.raises(ArgumentError, match=BOMBS[text]) as caught:
        function(W)
    assert time.process_time() - start < 1
    assert "in the expression" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("text", "error", "column"),
    [
        ("1 + w[9, 9]", IndexError, 5),
        ("np.sum(w, axis=7)", Exception, 1),
        ("3 + 1 // 0", ZeroDivisionError, 5),
        ("1 + w @ np.stack([1, 2])", ValueError, 5),
        ("2.0 ** 99999.0", OverflowError, 1),
    ],
)
def test_errors_of_the_computation_say_where(text: str, error: type[Exception], column: int) -> None:
    with pytest.raises(error) as caught:
        compute(text, w=W)
    assert f"^ column {column}" in caught.value.__notes__[0]
    assert len(caught.value.__notes__) == 1


@pytest.mark.parametrize(
    ("text", "column", "suggestion"),
    [
        ("1 + np.meidan(w)", 5, "did you mean 'np.median'?"),
        ("w + numpy.sum(w)", 5, "did you mean 'np'?"),
        ("w + kernel", 5, "Expected one of 'w', 'np'"),
        ("'é' + w", 1, "Text is allowed"),
        ("-w + µ", 6, "Unknown name 'μ'"),
        ("np.sum(w, axes_=0)", 11, "did you mean 'axes'?"),
        ("w.meann()", 1, "did you mean 'mean'?"),
        ("median(w)", 1, "write np.median"),
        ("w.astype('flot32')", 10, "did you mean 'float32'?"),
        ("np.sum(w", 7, "never closed"),
        ("w +", 4, "invalid syntax"),
    ],
)
def test_refusals_point_at_the_place_and_name_the_nearest_word(text: str, column: int, suggestion: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parse(text, ["w"])
    message = str(caught.value)
    assert suggestion in message
    assert f"^ column {column}" in message
    lines = message.splitlines()
    assert lines[-1].index("^") - 2 == column - 1, "the caret stands below the place"


TOKENS = st.sampled_from(
    "w np . ( ) [ ] , ** * + 9 'os' __class__ np.sum np.load lambda: for in if else : = T T.shape astype index(0)"
    " import { } @ not~ 0x1F 1e9 _ \\ # ; ~".replace("~", " ").split(" ")
)


@settings(max_examples=400)
@given(st.lists(TOKENS, max_size=14).map("".join) | st.text(max_size=30))
def test_any_text_is_computed_or_refused(text: str) -> None:
    try:
        expression = parse(text, ["w"])
    except ArgumentError:
        return
    allowed = vocabulary.FUNCTIONS | vocabulary.METHODS | vocabulary.ATTRIBUTES | vocabulary.NUMPY_CONSTANTS
    allowed |= vocabulary.DTYPES | vocabulary.LINALG_FUNCTIONS | {"linalg"}
    for node in ast.walk(expression.body):
        assert not isinstance(node, ast.Attribute) or node.attr in allowed
        assert not isinstance(node, (ast.Lambda, ast.NamedExpr, ast.comprehension, ast.JoinedStr, ast.Starred))
    # What NumPy thinks of the values is not the question here, and must be one of its ordinary answers.
    with contextlib.suppress(ArithmeticError, AttributeError, LookupError, TypeError, ValueError, Warning):
        expression.function()(W, *range(len(expression.positions) + len(expression.offsets)))


def test_nothing_outside_is_touched() -> None:
    """Run all attacks and bombs under an audit hook, which sees files, imports, processes and compiled code."""
    code = """
import os
import sys
import numpy as np
from kernelscape.cli.expression import parse
from tests.test_expression_language import ALLOWED, ATTACKS, BOMBS, W, K, B
seen = []
def run(text):
    try:
        parse(text, ["w", "k", "b"]).function()(W, K, B)
    except Exception:
        pass
for text in ALLOWED:
    run(text)  # NumPy imports parts of itself when they are first used
sys.addaudithook(lambda event, arguments: seen.append((event, arguments)))
for text in [*ATTACKS, *BOMBS, *ALLOWED]:
    run(text)
open(os.devnull).close()  # the hook does see such things
# Python's parser reports itself as "compile", with a flag that stops it before any code is made.
print(sorted({event for event, arguments in seen if event not in ("compile", "sys._getframe")}))
print(sorted({event for event, arguments in seen if event in ("exec", "code.__new__")}))
"""
    folder = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder)
    assert (done.stdout.split("\n"), done.returncode) == (["['open']", "[]", ""], 0), done.stderr


# --- the tables


def test_every_word_exists_in_numpy() -> None:
    for word in vocabulary.FUNCTIONS | vocabulary.NUMPY_CONSTANTS | vocabulary.DTYPES - {"bool"}:
        assert hasattr(np, word), word
    assert all(callable(getattr(np, word)) for word in vocabulary.FUNCTIONS)
    assert all(hasattr(np.linalg, word) for word in vocabulary.LINALG_FUNCTIONS)
    assert all(hasattr(W, word) for word in vocabulary.METHODS | vocabulary.ATTRIBUTES)


def test_no_word_reaches_for_underscores_or_is_known_to_touch_files() -> None:
    every = vocabulary.FUNCTIONS | vocabulary.METHODS | vocabulary.ATTRIBUTES | vocabulary.KEYWORDS
    assert not [word for word in every if word.startswith("_")]
    touching = {"load", "save", "savez", "fromfile", "tofile", "memmap", "genfromtxt", "loadtxt", "savetxt", "dump"}
    assert not every & (touching | {"out", "vectorize", "frompyfunc", "fromfunction", "apply_along_axis", "piecewise"})


def test_every_function_is_allowed_to_be_called() -> None:
    for word in vocabulary.FUNCTIONS:
        assert parse(f"np.{word}(w)", ["w"]).used == {"w"}
    for word in vocabulary.METHODS - {"astype"}:
        assert parse(f"w.{word}()", ["w"]).used == {"w"}


def test_the_depth_that_is_allowed_can_be_computed() -> None:
    text = "+".join(["w"] * (DEEPEST_TREE - 1))
    np.testing.assert_allclose(compute(text, w=W), W * (DEEPEST_TREE - 1), rtol=1e-4)


def test_help_lists_every_word() -> None:
    listed = set(vocabulary.help_text().split())
    assert listed >= vocabulary.FUNCTIONS | vocabulary.METHODS | vocabulary.DTYPES
