"""The command `python -m benchmarks.selection`: what wanted outputs cost, as a share of the whole filter.

A disc of 5 % of the image, 5 % of its pixels at random, and none. The copy of what is not wanted is timed by itself: an
empty mask costs that, and a look at the mask.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

import kernelscape as ks
from benchmarks import THREADS
from benchmarks.harness import Array

SHARE = 0.05
_OFFSETS = np.arange(5, dtype=np.float32) - 2
SPATIAL = np.exp(-(_OFFSETS[:, None] ** 2 + _OFFSETS**2) / np.float32(8.0))


def bilateral(w: Array, k: Array) -> Array:
    weights = k * np.exp(-8 * (w - w[2, 2]) ** 2)
    return np.sum(w * weights) / np.sum(weights)


def correlation(side: int) -> Callable[..., Array]:
    kernel = np.random.default_rng(side).normal(size=(side, side)).astype(np.float32)
    return lambda image, **words: ks.correlate(image, kernel, **words)


def median(side: int) -> Callable[..., Array]:
    return lambda image, **words: ks.apply(np.median, image, size=side, **words)


FILTERS: dict[str, Callable[..., Array]] = {
    "median 5x5": median(5),
    "median 7x7": median(7),
    "median 15x15": median(15),
    "correlate 9x9": correlation(9),
    "correlate 15x15": correlation(15),
    "mean 31x31": lambda image, **words: ks.apply(np.mean, image, size=31, **words),
    "bilateral 5x5": lambda image, **words: ks.apply(bilateral, image, ks.kernel(SPATIAL), **words),
}


def masks(extent: int) -> dict[str, Array]:
    y, x = np.mgrid[:extent, :extent] - extent / 2
    scattered = np.random.default_rng(3).random((extent, extent)) < SHARE
    return {
        "disc": np.hypot(y, x) < extent * np.sqrt(SHARE / np.pi),
        "random": scattered,
        "none": np.zeros_like(scattered),
    }


class Row(NamedTuple):
    """Milliseconds of the whole filter, of a copy, and of the filter with each mask."""

    name: str
    whole: float
    copy: float
    chosen: dict[str, float]


def rows(extent: int, repeat: int, *, processor: bool = False) -> Iterator[Row]:
    """What is measured: time that passes, with `THREADS` workers; or time of the processor, with one.

    The latter hardly changes where others use the machine too.
    """
    workers = 1 if processor else THREADS
    clock = time.process_time if processor else time.perf_counter
    image = np.random.default_rng(1).random((extent, extent), dtype=np.float32)
    output = np.empty_like(image)
    for name, run in FILTERS.items():
        whole = run(image)
        chosen = {}
        for kind, at in masks(extent).items():
            found = run(image, at=at)
            if not np.array_equal(found, np.where(at, whole, image)):
                raise AssertionError(f"{name} with the mask {kind!r} is not the whole filter where it is wanted")
            chosen[kind] = _best(
                lambda at=at, run=run: run(image, at=at, output=output, workers=workers), repeat, clock
            )
        whole_time = _best(lambda run=run: run(image, output=output, workers=workers), repeat, clock)
        yield Row(name, whole_time, _best(lambda: np.copyto(output, image), repeat, clock), chosen)


def _best(work: Callable[[], object], repeat: int, clock: Callable[[], float]) -> float:
    work()
    times = []
    for _ in range(repeat):
        start = clock()
        work()
        times.append(clock() - start)
    return 1e3 * min(times)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--size", type=int, default=2048, help="extent of the square image (default: 2048)")
    parser.add_argument("--repeat", type=int, default=9, help="runs that are timed (default: 9)")
    parser.add_argument(
        "--cpu", action="store_true", help="time of the processor with one worker, not time that passes"
    )
    options = parser.parse_args(arguments)
    print("filter            whole ms   copy ms   disc 5 %   random 5 %   none   (share of the whole, less the copy)")
    for row in rows(options.size, options.repeat, processor=options.cpu):
        shares = [f"{max(0.0, time - row.copy) / row.whole:9.0%}" for time in row.chosen.values()]
        print(f"{row.name:16} {row.whole:9.2f} {row.copy:9.2f}  {'  '.join(shares)}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
