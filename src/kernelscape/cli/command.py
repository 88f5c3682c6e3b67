"""Dispatch, and the one place where an exception becomes a message and an exit code.

A mistake of the user is one message on standard error and code 2, a warning is such a message and no more, an interrupt
is code 130, and a reader that went away (``| head``) is silence. Anything else is a defect of this program: it keeps
its traceback.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import KernelscapeError

if TYPE_CHECKING:
    import argparse

USER_ERROR = 2
INTERRUPTED = 130
_PLACE = "in the expression"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the command's name; those of this process by default.

    Returns
    -------
    int
        The exit code: 0, 2 for a user's mistake, 130 after Ctrl-C.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            status = _dispatch(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("kernelscape: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Python would complain again when it flushes standard output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not _is_users(error):
            raise
        print(f"kernelscape: error: {_message(error)}", file=sys.stderr)
        return USER_ERROR
    return status


def _show_warning(message: Warning | str, *place: object, **more: object) -> None:
    """Tell a warning as a message of the command: the line of code that Python would name is none of the user's."""
    print(f"kernelscape: warning: {message}", file=sys.stderr)


def _is_users(error: Exception) -> bool:
    """Whether the message alone will do: an exception of this library, or one that the user's expression raised."""
    return isinstance(error, (KernelscapeError, MemoryError)) or any(_place_of(error))


def _place_of(error: Exception) -> list[str]:
    return [note for note in getattr(error, "__notes__", ()) if note.startswith(_PLACE)]


def _message(error: Exception) -> str:
    if isinstance(error, MemoryError) and not str(error):
        return "there is not enough memory for this"
    return "\n".join([str(error) or type(error).__name__, *_place_of(error)])


def _dispatch(arguments: list[str]) -> int:
    from .. import __version__
    from .arguments import make_parser
    from .vocabulary import help_text

    options = make_parser(__version__, help_text()).parse_args(arguments)
    return _COMMANDS[options.command](options)


def _compute(options: argparse.Namespace) -> int:
    from .jobs import compute

    compute(options)
    return 0


def _explain(options: argparse.Namespace) -> int:
    from .jobs import prepare

    call = prepare(options)
    if options.profile:
        # What was measured stands behind what was expected, of the same plan.
        plan = call.plan()
        print(plan.explain(), plan.profile(options.repeat, options.workers), sep="\n\n")
    else:
        print(call.explain())
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    from .calibrate import reset, run

    print("\n".join(reset() if options.reset else run(options.verbose)))
    return 0


def _demo(options: argparse.Namespace) -> int:
    from .demo import run

    return run(options.output, workers=options.workers)


def _info(options: argparse.Namespace) -> int:
    from .info import lines

    print("\n".join(lines()))
    return 0


_COMMANDS = {
    "apply": _compute,
    "correlate": _compute,
    "convolve": _compute,
    "explain": _explain,
    "demo": _demo,
    "info": _info,
    "calibrate": _calibrate,
}
