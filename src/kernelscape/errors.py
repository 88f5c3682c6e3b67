"""Every exception and warning of the project, in one place, so that a caller can see what may go wrong.

Rules: each exception derives from `KernelscapeError` and also from the builtin exception that a caller who has never
heard of this library would catch. A message says what was expected, what was given (its ``repr``), and what to do.
Each exception is made from one message, so that it survives pickling between processes.
"""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST_LIST = 24


class KernelscapeError(Exception):
    """Base of every exception that this library raises on purpose."""


class ArgumentError(KernelscapeError, ValueError):
    """An argument has the right type and a wrong value."""


class ArgumentTypeError(KernelscapeError, TypeError):
    """An argument has a wrong type."""


class ShapeError(ArgumentError):
    """Shapes, extents or axes do not fit each other."""


class PositionError(ArgumentError, IndexError):
    """A position lies outside the image that a field is for."""


class UnknownNameError(ArgumentError):
    """A word is not in the vocabulary that is expected there."""


class TracingError(KernelscapeError, TypeError):
    """A user function does something with a traced value that has no meaning before the data is known."""


class NotYetSupportedError(KernelscapeError, NotImplementedError):
    """The request is meaningful, and this version cannot do it."""


class MemoryBudgetError(KernelscapeError, MemoryError):
    """The work would need more memory than ``settings().memory_budget`` allows."""


class BoundsError(KernelscapeError, IndexError):
    """The checked build found an access outside a buffer: a defect of this library, not of the caller's code."""


class CompilationError(KernelscapeError, RuntimeError):
    """Machine code could not be made or loaded."""


class ImageFileError(KernelscapeError, OSError):
    """A file could not be read or written as an image."""


class MissingDependencyError(KernelscapeError, ImportError):
    """An optional package is needed for this and is not installed."""


class PerformanceWarning(UserWarning):
    """The result is right, and takes far longer than it would when written otherwise."""


class CacheWarning(UserWarning):
    """The cache on disk cannot be used as asked; results are not affected."""


def unknown_name(kind: str, given: object, known: Iterable[str]) -> UnknownNameError:
    """Make the error for a word outside a vocabulary, naming the nearest known word.

    Parameters
    ----------
    kind : str
        What the word stands for, such as ``"mode"``.
    given : object
        What the caller wrote; it need not be a string.
    known : iterable of str
        The vocabulary. It is shown whole unless it is very long.

    Returns
    -------
    UnknownNameError
        To be raised by the caller, so that the traceback ends there.

    Examples
    --------
    >>> str(unknown_name("mode", "refelct", ["reflect", "wrap"]))
    "Unknown mode 'refelct'; did you mean 'reflect'? Expected one of 'reflect', 'wrap'."
    """
    import difflib

    vocabulary = list(known)
    lowered = {word.lower(): word for word in vocabulary}
    asked = given.lower() if isinstance(given, str) else ""
    nearest = [lowered[word] for word in difflib.get_close_matches(asked, lowered, n=3, cutoff=0.5)]
    suggestion = f"; did you mean {nearest[0]!r}?" if nearest else "."
    shown = vocabulary if len(vocabulary) <= _LONGEST_LIST else nearest or vocabulary[:_LONGEST_LIST]
    ending = "." if len(shown) == len(vocabulary) else f", ... ({len(vocabulary)} words)."
    return UnknownNameError(
        f"Unknown {kind} {given!r}{suggestion} Expected one of {', '.join(repr(word) for word in shown)}{ending}"
    )


def nan_in_integers(dtype: object) -> ArgumentError:
    """Make the error for a result that has NaN, found where it is stored in an integer output.

    Examples
    --------
    >>> raise nan_in_integers("uint8")
    Traceback (most recent call last):
    kernelscape.errors.ArgumentError: The result has NaN, which an output of dtype uint8 cannot hold; ...
    """
    return ArgumentError(
        f"The result has NaN, which an output of dtype {dtype} cannot hold; expected numbers. Give invalid= an integer "
        "that stands for it, or ask for a floating output."
    )


def missing_dependency(package: str, purpose: str, requirement: str | None = None) -> MissingDependencyError:
    """Make the error for an optional package that is not installed.

    Parameters
    ----------
    package : str
        Name under which it is imported.
    purpose : str
        What it is needed for, such as ``"reading TIFF files"``.
    requirement : str, optional
        What to give to pip; the package's own name by default.

    Examples
    --------
    >>> str(missing_dependency("dask", "chunked work"))
    "Chunked work needs the package 'dask', which is not installed; install it with: pip install dask"
    """
    wanted = requirement or package
    quoted = f"'{wanted}'" if any(character in wanted for character in "[<>=! ") else wanted
    error = MissingDependencyError(
        f"{purpose[:1].upper()}{purpose[1:]} needs the package {package!r}, which is not installed; "
        f"install it with: pip install {quoted}"
    )
    error.name = package
    return error
