"""The arguments of the command: every flag once, and the small texts (``3,5``, ``1,2;0,0``) that become values.

Nothing is read or computed here, and importing this module loads neither NumPy's nor anybody's heavy parts, so that
``--help`` and a mistyped flag answer at once. A wrong argument is an `ArgumentError`, as everywhere in the library.
"""

from __future__ import annotations

import argparse
import keyword
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import ArgumentError, KernelscapeError, unknown_name

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_RESERVED = frozenset({"np", "k", "index", "abs"})


class Parser(argparse.ArgumentParser):
    """A parser that raises the library's exception instead of printing usage and leaving."""

    def error(self, message: str) -> NoReturn:
        raise ArgumentError(f"{message} ('{self.prog} --help' explains the arguments)")


@dataclass(frozen=True)
class Source:
    """An input of an expression: what it is called there, and where its samples are."""

    name: str
    path: Path


def checked(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse show an error's own text, which it drops for exceptions that are not its own."""

    def convert(text: str) -> Any:
        try:
            return read(text)
        except KernelscapeError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def integers(text: str) -> int | tuple[int, ...]:
    """Read one whole number, or one for each axis.

    Examples
    --------
    >>> integers("5"), integers("3,5"), integers("-1")
    (5, (3, 5), -1)
    """
    parts = text.split(",")
    if not all(re.fullmatch(r"\s*[+-]?\d{1,9}\s*", part) for part in parts):
        raise ArgumentError(f"expected a whole number, or one for each axis such as 3,5; got {text!r}")
    numbers = tuple(int(part) for part in parts)
    return numbers[0] if len(numbers) == 1 else numbers


def axis_numbers(text: str) -> tuple[int, ...]:
    """Read the numbers of axes, always as a tuple."""
    numbers = integers(text)
    return (numbers,) if isinstance(numbers, int) else numbers


def names(text: str) -> str | tuple[str, ...]:
    """Read one word, or one for each axis."""
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts):
        raise ArgumentError(f"expected a word, or one for each axis such as reflect,wrap; got {text!r}")
    return parts[0] if len(parts) == 1 else parts


def padding(text: str) -> Any:
    """Read a padding: a word, a number, ``before,after``, or such a pair for each axis.

    Examples
    --------
    >>> padding("same"), padding("2"), padding("1,0"), padding("1,0;2,2")
    ('same', 2, (1, 0), ((1, 0), (2, 2)))
    """
    if text in ("same", "valid", "full"):
        return text
    try:
        pairs = [integers(part) for part in text.split(";")]
    except ArgumentError:
        raise ArgumentError(
            f"expected same, valid, full, a number, before,after or before,after;before,after; got {text!r}"
        ) from None
    if len(pairs) == 1:
        return pairs[0]
    return tuple((pair, pair) if isinstance(pair, int) else pair for pair in pairs)


def dtype(text: str) -> str:
    """Read the name of a dtype."""
    from .vocabulary import DTYPES

    if text not in DTYPES:
        raise unknown_name("dtype", text, sorted(DTYPES))
    return text


def sources(texts: Sequence[str]) -> list[Source]:
    """Name the inputs: ``name=file``, else the letters a, b, c in order; a single input is also w.

    Examples
    --------
    >>> [source.name for source in sources(["one.png", "mask=two.png", "three.png"])]
    ['a', 'mask', 'c']
    """
    found: list[Source] = []
    for position, text in enumerate(texts):
        match = re.fullmatch(r"([A-Za-z_]\w*)=(.+)", text, re.DOTALL)
        if match and not Path(text).exists():
            found.append(Source(_input_name(match[1]), Path(match[2])))
        elif position < len(_LETTERS):
            found.append(Source(_LETTERS[position], Path(text)))
        else:
            raise ArgumentError(f"More than {len(_LETTERS)} inputs need names: write name={text}")
    given = [source.name for source in found]
    for name in given:
        if given.count(name) > 1:
            raise ArgumentError(f"Two inputs are called {name!r}; give each its own name, as in name=file.")
    return found


def _input_name(name: str) -> str:
    if name in _RESERVED or keyword.iskeyword(name) or name.startswith("_") or not name.isascii():
        raise ArgumentError(f"An input cannot be called {name!r}; take another word, such as image=file.")
    return name


def make_parser(version: str, words: str) -> Parser:
    """Build the parser of the whole command; `words` is the list of what an expression may use."""
    parser = Parser(
        prog="kernelscape",
        description="Any function, any kernel, every pixel: compute each pixel of an image from a window around it.",
    )
    parser.add_argument("--version", action="version", version=f"kernelscape {version}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    _add_apply(commands, words)
    _add_linear(commands)
    _add_explain(commands, words)
    demo = commands.add_parser("demo", help="run the four jobs that this was born from on real photographs")
    demo.add_argument("--output", "-o", metavar="FOLDER", default="kernelscape-demo", help="where the pictures go")
    demo.add_argument("--workers", type=checked(integers), metavar="N", help="threads (all CPUs)")
    commands.add_parser("info", help="print versions, the CPU that is compiled for, and the cache folder")
    calibrate = commands.add_parser(
        "calibrate",
        help="measure this machine for the planner, in some seconds",
        description="Measure how fast this machine is at what filters are made of, and keep it for later runs, which "
        "plan with it. Leave the machine alone meanwhile.",
    )
    calibrate.add_argument("--reset", action="store_true", help="forget it, and plan with what is shipped")
    calibrate.add_argument("--verbose", "-v", action="store_true", help="print what each job took")
    return parser


_EXAMPLES = """
examples:
  kernelscape apply "np.median(w)" photo.png -o out.png --size 5
  kernelscape apply "np.max(w * k)" photo.png -o out.png --kernel gaussian:1.5
  kernelscape apply "np.sum(a**2 - b**2)" one.tif two.tif -o out.tif --size 3 --mode shrink --output-dtype float32
  kernelscape apply "np.sum(w * np.exp(-(dx**2 + dy**2) / (y + 1)))" photo.png -o out.tif --size 5 --dtype float32

An expression that begins with a minus sign is written in parentheses, and a list of values that does with '=', as in
--origin=-1,0.

in an expression:
  w (a single input), a, b, c, ... or your names   windows, like small arrays
  k                                                the kernel of --kernel
  y, x, index(0)                                   the row and column of the pixel
  dy, dx                                           distances from the window's centre, as arrays
"""


def _add_apply(commands: Any, words: str) -> None:
    command = commands.add_parser(
        "apply",
        help="compute each pixel with an expression of its window",
        description="Compute each pixel with a NumPy expression of the window around it. Colours are filtered one by "
        "one. Integer images are computed in floating point, rounded, and kept within their range.",
        epilog=_EXAMPLES + words,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("arguments", nargs="+", metavar="EXPRESSION FILE", help="the expression, then the inputs")
    _add_windows(command)
    _add_output(command, required=True)


def _add_linear(commands: Any) -> None:
    for name, what in (("correlate", "as it is"), ("convolve", "flipped")):
        command = commands.add_parser(
            name, help=f"weigh each window with a kernel, {what}", epilog=_kernel_list(), formatter_class=_Raw
        )
        command.add_argument("arguments", nargs=1, metavar="FILE", help="the image")
        _add_windows(command)
        _add_output(command, required=True)


def _add_explain(commands: Any, words: str) -> None:
    command = commands.add_parser(
        "explain",
        help="print how apply, or correlate with --kernel and without an expression, would run",
        epilog=_EXAMPLES + words,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("arguments", nargs="+", metavar="EXPRESSION FILE", help="the expression, then the inputs")
    command.add_argument("--profile", action="store_true", help="run it too, and print what it took beside that")
    command.add_argument("--repeat", type=checked(integers), default=5, metavar="N", help="runs of --profile (5)")
    _add_windows(command)
    _add_output(command, required=False)


_Raw = argparse.RawDescriptionHelpFormatter


def _kernel_list() -> str:
    from .kernel_names import KERNELS

    lines = [f"  {name + entry.parameters:34}{entry.summary}" for name, entry in KERNELS.items()]
    return "\n".join(["kernels:", *lines])


def _add_windows(command: argparse.ArgumentParser) -> None:
    window = command.add_argument_group("the window")
    window.add_argument("--size", type=checked(integers), metavar="N", help="extent, or one per axis: 5 or 3,5")
    window.add_argument("--footprint", metavar="SHAPE", help="disk:3, diamond:2, cross:1, box:5 or a .npy file")
    window.add_argument("--kernel", metavar="KERNEL", help="sobel-x, gaussian:1.5, box:5, ... or a .npy file")
    window.add_argument(
        "--mode",
        type=checked(names),
        default="reflect",
        help="samples outside the image: reflect (the default), mirror, nearest, wrap, constant or shrink",
    )
    window.add_argument("--cval", type=float, default=0.0, metavar="VALUE", help="the sample outside, in mode constant")
    window.add_argument("--origin", type=checked(integers), default=0, metavar="N", help="shift of the window's centre")
    window.add_argument("--stride", type=checked(integers), default=1, metavar="N", help="compute every Nth pixel")
    window.add_argument("--dilation", type=checked(integers), default=1, metavar="N", help="take every Nth sample")
    window.add_argument(
        "--padding",
        type=checked(padding),
        default="same",
        help="same, valid, full, N, before,after or before,after;before,after",
    )
    window.add_argument("--axes", type=checked(axis_numbers), metavar="I,J", help="axes that the window lies over")
    work = command.add_argument_group("the work")
    work.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="an image that is not windowed: the expression sees its value at the pixel",
    )
    work.add_argument("--dtype", type=checked(dtype), help="dtype to compute in")
    work.add_argument("--output-dtype", type=checked(dtype), metavar="DTYPE", help="dtype of the result")
    work.add_argument("--invalid", type=float, metavar="VALUE", help="result where no sample is valid (nan)")
    work.add_argument("--alpha", choices=("keep", "filter"), default="keep", help="what happens to transparency")
    work.add_argument("--method", default="auto", help="auto, or the name of a method that 'explain' shows")
    work.add_argument("--workers", type=checked(integers), metavar="N", help="threads (all CPUs)")


def _add_output(command: argparse.ArgumentParser, *, required: bool) -> None:
    command.add_argument(
        "--output", "-o", required=required, metavar="FILE", help="a .png, .jpg, .tif or .npy file, replaced when done"
    )
