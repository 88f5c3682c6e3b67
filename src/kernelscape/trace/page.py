"""Errors of tracing are pages: the cause, the user's line, an example that fails and one that works.

The line is that of the innermost frame outside this package and NumPy: the user wrote it, and can change it.
"""

from __future__ import annotations

import linecache
import os
import sys

import numpy as np

from kernelscape.errors import TracingError

_OWN = tuple(folder + os.sep for folder in (os.path.dirname(os.path.dirname(__file__)), os.path.dirname(np.__file__)))


def user_line() -> str:
    """``file:line in function`` and the text of the line, of the innermost frame that is the user's."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith((*_OWN, "<__array_function__")) and frame.f_back is not None:
        frame = frame.f_back
    code = frame.f_code
    text = linecache.getline(code.co_filename, frame.f_lineno).strip()
    place = f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
    return f"{place}\n    {text}" if text else place


def tracing_error(cause: str, fails: str, works: str, place: str = "") -> TracingError:
    """The page for something that has no meaning before the data is known.

    Parameters
    ----------
    cause : str
        One or more sentences.
    fails, works : str
        A line of code that shows the problem, and one that says the same so that it can be traced.
    place : str, optional
        Where it happened; by default the user's line that is being run.
    """
    return TracingError(
        f"{cause}\n\n  {place or user_line()}\n\nThis cannot be traced:\n    {fails}\nThis can:\n    {works}"
    )
