"""Every exception is also the builtin that a caller would catch, survives pickling, and says what to do."""

import builtins
import inspect
import pickle

import pytest

from kernelscape import errors

EXCEPTIONS = [
    item
    for _, item in inspect.getmembers(errors, inspect.isclass)
    if issubclass(item, errors.KernelscapeError) and item is not errors.KernelscapeError
]
WARNINGS = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, Warning)]
BUILTIN = {
    "ArgumentError": ValueError,
    "ArgumentTypeError": TypeError,
    "ShapeError": ValueError,
    "PositionError": IndexError,
    "UnknownNameError": ValueError,
    "TracingError": TypeError,
    "NotYetSupportedError": NotImplementedError,
    "MemoryBudgetError": MemoryError,
    "BoundsError": IndexError,
    "CompilationError": RuntimeError,
    "ImageFileError": OSError,
    "MissingDependencyError": ImportError,
}


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_each_exception_is_a_builtin_one(kind):
    own = {base for base in kind.__mro__ if base.__module__ == "builtins"} - {Exception, BaseException, object}
    assert own, f"{kind.__name__} subclasses no builtin exception"
    assert all(getattr(builtins, base.__name__) is base for base in own)


def test_the_promised_builtins():
    assert {name: issubclass(getattr(errors, name), builtin) for name, builtin in BUILTIN.items()} == dict.fromkeys(
        BUILTIN, True
    )


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_exceptions_travel_between_processes(kind):
    again = pickle.loads(pickle.dumps(kind("size must be positive; got -1.")))
    assert type(again) is kind
    assert str(again) == "size must be positive; got -1."


@pytest.mark.parametrize("kind", WARNINGS)
def test_warnings_are_user_warnings(kind):
    assert issubclass(kind, UserWarning)


@pytest.mark.parametrize(("given", "nearest"), [("refelct", "reflect"), ("Mirror", "mirror"), ("wrpa", "wrap")])
def test_unknown_name_names_the_nearest(given, nearest):
    error = errors.unknown_name("mode", given, ["reflect", "mirror", "wrap"])
    assert isinstance(error, errors.UnknownNameError)
    assert str(error) == (
        f"Unknown mode {given!r}; did you mean {nearest!r}? Expected one of 'reflect', 'mirror', 'wrap'."
    )


@pytest.mark.parametrize("given", ["xyzzy", 3, None, ("reflect",)])
def test_unknown_name_guesses_nothing_without_a_likeness(given):
    text = str(errors.unknown_name("mode", given, ["reflect", "wrap"]))
    assert text == f"Unknown mode {given!r}. Expected one of 'reflect', 'wrap'."


def test_unknown_name_shortens_a_long_vocabulary():
    words = [f"filter{number:02d}" for number in range(60)]
    text = str(errors.unknown_name("filter", "filtre07", words))
    assert "did you mean 'filter" in text
    assert text.endswith("... (60 words).")
    assert len(text) < 200


def test_missing_dependency_names_the_command():
    error = errors.missing_dependency("tifffile", "reading TIFF files", "kernelscape[images]")
    assert error.name == "tifffile"
    assert str(error) == (
        "Reading TIFF files needs the package 'tifffile', which is not installed; "
        "install it with: pip install 'kernelscape[images]'"
    )
