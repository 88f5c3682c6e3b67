"""Ranks that are found for whole tiles, for tests: images, plans that find them so, the definition beside them."""

import numpy as np

from kernelscape.execute import Executable
from kernelscape.plan import candidates
from kernelscape.reference import evaluate
from tests.oracle.engine import plan_of, run
from tests.oracle.jobs import WindowWords, make_job, rank

IMAGES = ("random", "constant", "gradient", "noisy", "two values")


def always(monkeypatch):
    """Ranks are found for whole tiles wherever that is possible, also where it takes longer."""
    monkeypatch.setattr(candidates, "steady_seconds", lambda stage, _: 0.0 if stage.tile_ranks else 1.0)


def never(monkeypatch):
    """Ranks are found window by window."""
    monkeypatch.setattr(candidates, "steady_seconds", lambda stage, _: 1.0 if stage.tile_ranks else 0.0)


def image(kind, shape, dtype, seed=0):
    """Give an image of some kind with values of the whole range of small integers, and many equal ones."""
    rng = np.random.default_rng(seed)
    last = np.indices(shape).sum(0)
    numbers = {
        "random": lambda: rng.integers(0, 256, shape),
        "constant": lambda: np.full(shape, 77),
        "gradient": lambda: last * 255 // max(1, last.max()),
        "noisy": lambda: np.clip(last * 200 // max(1, last.max()) + rng.integers(-30, 31, shape), 0, 255),
        "two values": lambda: np.where(rng.random(shape) < 0.5, 3, 250),
    }[kind]()
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return numbers > 100
    if dtype == np.int8:
        return (numbers - 128).astype(dtype)
    return numbers.astype(dtype) if dtype.kind == "u" else (numbers - 100).astype(dtype)


def middle(window):
    """Give the median of a window with an odd number of samples, and the lower one of an even number."""
    return rank(window, (window.size - 1) // 2)


def assert_found_in_tiles(function, arrays, words, *, method, target="host", checked=False, workers=1, **options):
    """A plan finds the ranks of a function for whole tiles, and its results have the bits of the definition."""
    __tracebackhide__ = True
    words = words if isinstance(words, list) else [words] * len(arrays)
    job = make_job(function, arrays, words, **options)
    plan = plan_of(job, arrays, target=target)
    assert plan.method == method
    executable = Executable(plan, checked=checked)
    got = run(job, arrays, target=target, workers=workers, executable=executable)
    for result, wanted in zip(got, evaluate(job, arrays), strict=True):
        assert result.dtype == wanted.dtype
        np.testing.assert_array_equal(result, wanted)


__all__ = ["IMAGES", "WindowWords", "always", "assert_found_in_tiles", "image", "middle", "never"]
