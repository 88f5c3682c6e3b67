"""When an earlier trace still stands: what a guard watches, and what has none because it may change unseen."""

import functools
import math

import numpy as np
import pytest

from kernelscape.trace import Guard

THRESHOLD = 3
SETTINGS = {"threshold": 3}


def _helper(w):
    return w > THRESHOLD


def make(t, kernel=None):
    return lambda w: np.sum(w > t) if kernel is None else np.sum(w * kernel)


def test_guard_matches_the_same_function_only():
    function = make(3)
    guard = Guard.of(function)
    assert guard.matches(function)
    assert not guard.matches(make(3))


def test_guard_sees_a_rebound_cell():
    t = 3

    def function(w):
        return w > t

    guard = Guard.of(function)
    assert guard.matches(function)
    t = 4
    assert not guard.matches(function)


def test_guard_sees_a_rebound_global_through_helpers(monkeypatch):
    def function(w):
        return np.sum(_helper(w))

    guard = Guard.of(function)
    assert guard.matches(function)
    monkeypatch.setitem(globals(), "THRESHOLD", 5)
    assert not guard.matches(function)
    monkeypatch.undo()
    assert guard.matches(function)
    monkeypatch.setitem(globals(), "_helper", abs)
    assert not guard.matches(function)


def test_guard_sees_an_array_that_is_written_to():
    kernel = np.ones((3, 3))
    function = make(0, kernel)
    guard = Guard.of(function)
    assert guard.matches(function)
    kernel[1, 1] = 2
    assert not guard.matches(function)


def test_guard_sees_changed_defaults_and_code():
    def function(w, t=3, *, s=2):
        return w * t + s

    guard = Guard.of(function)
    function.__defaults__ = (4,)
    assert not guard.matches(function)
    guard = Guard.of(function)
    function.__kwdefaults__["s"] = 5
    assert not guard.matches(function)
    guard = Guard.of(function)
    function.__code__ = (lambda w, t=3, *, s=2: w).__code__
    assert not guard.matches(function)


def test_guard_sees_a_module_attribute(monkeypatch):
    import tests.oracle.traced as module

    def function(w):
        return w > module.LIMIT

    monkeypatch.setattr(module, "LIMIT", 1, raising=False)
    guard = Guard.of(function)
    assert guard.matches(function)
    monkeypatch.setattr(module, "LIMIT", 2)
    assert not guard.matches(function)


def _writes_global(w):
    global THRESHOLD
    THRESHOLD = 4
    return w


class Settings:
    threshold = 3


def _has_attributes(w):
    return w > _has_attributes.threshold


_has_attributes.threshold = 3
look_up = SETTINGS.get


@pytest.mark.parametrize(
    "function",
    [
        lambda w: w > SETTINGS["threshold"],
        lambda w: w > Settings.threshold,
        lambda w: w > Settings().threshold,
        lambda w: w > look_up("threshold"),
        lambda w: w > np.random.random(),  # noqa: NPY002
        lambda w: w > globals()["THRESHOLD"],
        _has_attributes,
        make([1, 2]),
        make(0, np.ones((100, 100))),
        _writes_global,
        lambda w: undefined_name + w,  # noqa: F821
        SETTINGS.get,
    ],
)
def test_what_may_change_unseen_has_no_guard(function):
    assert Guard.of(function) is None


@pytest.mark.parametrize(
    "function", [np.median, functools.partial(np.percentile, q=30), np.add.reduce, lambda w: math.pi * w]
)
def test_what_cannot_change_has_a_guard(function):
    assert Guard.of(function).matches(function)
