"""Every word that an expression on the command line may use; a word that is not in one of these tables does not exist.

A function belongs here when it computes from its arguments alone, keeps no state, reads and writes nothing outside
them, and makes nothing much larger than what it was given: no `np.zeros`, `np.repeat` or `np.load`, whatever they are
given. Words are looked up in these tables and never composed, so no spelling reaches anything else.
"""

from __future__ import annotations

import ast
import operator
import textwrap
from collections.abc import Callable, Mapping
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ELEMENTWISE = _words(
    """
    abs absolute fabs sqrt cbrt square reciprocal exp exp2 expm1 log log2 log10 log1p
    sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh
    asin acos atan atan2 asinh acosh atanh hypot deg2rad rad2deg degrees radians
    add subtract multiply divide true_divide floor_divide mod remainder fmod power pow float_power negative positive
    floor ceil rint trunc round around fix sign copysign signbit heaviside clip where select nan_to_num
    minimum maximum fmin fmax isnan isfinite isinf
    equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor logical_not
    bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_invert invert left_shift right_shift
    bitwise_left_shift bitwise_right_shift real imag conj conjugate angle
"""
)

SHAPING = _words(
    """
    reshape ravel transpose permute_dims flip flipud fliplr rot90 roll diff stack concatenate concat expand_dims squeeze
    moveaxis swapaxes diagonal
"""
)

REDUCTIONS = _words(
    """
    sum prod mean average var std min max amin amax ptp any all count_nonzero argmin argmax median percentile quantile
    sort nansum nanprod nanmean nanvar nanstd nanmin nanmax nanargmin nanargmax nanmedian nanpercentile nanquantile
    dot vdot inner matmul einsum cov corrcoef trace
"""
)

FUNCTIONS = ELEMENTWISE | SHAPING | REDUCTIONS
LINALG_FUNCTIONS = frozenset({"norm"})

METHODS = _words(
    """
    sum prod mean var std min max any all argmin argmax astype ravel flatten reshape transpose squeeze swapaxes clip
    round dot conj conjugate copy diagonal trace
    """
)
ATTRIBUTES = frozenset({"T", "real", "imag", "shape", "ndim", "size"})
NUMPY_CONSTANTS = frozenset({"pi", "e", "inf", "nan", "newaxis", "euler_gamma"})
CONSTANTS = ("pi", "e", "inf", "nan")

# Words for the position of the pixel: the number says which of the window's axes.
POSITIONS: Mapping[str, int] = {"y": 0, "x": 1}
# Words for the distances of the window's samples from its centre, along an axis of the window.
OFFSETS: Mapping[str, int] = {"dy": 0, "dx": 1}

# Functions and methods whose result is true or false.
TRUTHS = _words(
    """
    any all isnan isfinite isinf signbit equal not_equal less less_equal greater greater_equal
    logical_and logical_or logical_xor logical_not
    """
)

DTYPES = _words(
    """
    bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128
    """
)
BUILTIN_DTYPES: Mapping[str, str] = {"float": "float64", "int": "int64", "bool": "bool"}

KEYWORDS = _words(
    """
    axis keepdims ddof correction where initial method weights ord dtype rowvar bias a_min a_max min max n decimals q k
    axes shift source destination nan default offset axis1 axis2
    """
)

# Texts that a keyword may be given; `dtype` takes the names above.
KEYWORD_TEXTS: Mapping[str, frozenset[str]] = {
    "method": _words(
        """
        linear lower higher nearest midpoint inverted_cdf averaged_inverted_cdf closest_observation
        interpolated_inverted_cdf hazen weibull median_unbiased normal_unbiased
        """
    ),
    "ord": frozenset({"fro", "nuc"}),
}

# A count that NumPy works off one by one: (keyword, position among the arguments, largest).
COUNTS: Mapping[str, tuple[str, int, int]] = {
    "diff": ("n", 1, 32),
    "round": ("decimals", 1, 32),
    "around": ("decimals", 1, 32),
}

BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}

UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}

COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

# What Python can say and an expression cannot, with what to do instead.
REFUSED: Mapping[type[ast.AST], str] = {
    ast.Lambda: "lambda is not needed: the expression is the function",
    ast.ListComp: "loops are not allowed; write with whole windows, such as np.sum(w * w)",
    ast.SetComp: "loops are not allowed; write with whole windows, such as np.sum(w * w)",
    ast.DictComp: "loops are not allowed; write with whole windows, such as np.sum(w * w)",
    ast.GeneratorExp: "loops are not allowed; write with whole windows, such as np.sum(w * w)",
    ast.NamedExpr: "assignment is not allowed; write the value where it is used",
    ast.JoinedStr: "text is not allowed",
    ast.Dict: "dictionaries are not allowed",
    ast.Set: "sets are not allowed; write a tuple",
    ast.Starred: "the star is not allowed; write the arguments one by one",
    ast.Await: "await is not allowed",
    ast.Yield: "yield is not allowed",
    ast.YieldFrom: "yield is not allowed",
    ast.In: "'in' is not allowed; write comparisons joined by |",
    ast.NotIn: "'in' is not allowed; write comparisons joined by &",
    ast.Is: "'is' is not allowed; write ==",
    ast.IsNot: "'is' is not allowed; write !=",
}


def help_text() -> str:
    """List the words that an expression may use, wrapped for a terminal."""
    groups = {
        "np functions": FUNCTIONS | {f"linalg.{word}" for word in LINALG_FUNCTIONS},
        "np constants": NUMPY_CONSTANTS,
        "methods": METHODS,
        "attributes": ATTRIBUTES,
        "dtypes": DTYPES,
    }
    paragraphs = [textwrap.fill(f"{name}: {' '.join(sorted(group))}", 78) for name, group in groups.items()]
    return "\n" + "\n\n".join(paragraphs)
