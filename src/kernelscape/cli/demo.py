"""The four jobs that Kernelscape was born from, on photographs, each checked before it is shown.

A check compares with numbers known beforehand, or with the same function applied by NumPy to the windows of random
pixels; a demonstration that is wrong must not look good. The photographs are those inside scikit-image's package, so
nothing is downloaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kernelscape as ks

from ..errors import ImageFileError, missing_dependency
from ..io import write
from .pictures import Panel, enlarge, grey_levels, sheet, signed_colours

Array = NDArray[Any]

_REPETITIONS = 5

A = np.array(
    [
        [179, 97, 77, 118, 144, 105],
        [68, 56, 184, 210, 141, 230],
        [178, 166, 218, 47, 106, 172],
        [38, 183, 50, 185, 48, 87],
        [60, 200, 228, 232, 6, 190],
        [253, 75, 231, 166, 117, 134],
    ]
)
B = np.array(
    [
        [116, 95, 94, 220, 80, 223],
        [135, 9, 166, 78, 5, 129],
        [102, 167, 120, 81, 141, 29],
        [83, 117, 81, 129, 255, 48],
        [130, 231, 165, 7, 187, 169],
        [44, 137, 16, 50, 229, 202],
    ]
)
SUMS = np.array(
    [
        [8423, 11816, 10372, 41125, 35287, 31747],
        [29370, 65887, 38811, 61252, 51033, 51845],
        [24756, 60119, 109133, 35101, 70005, 18757],
        [8641, 62463, 126935, 14530, 2255, -64752],
        [36623, 110426, 163513, 33812, -50035, -146450],
        [22268, 100132, 130190, 83010, -10163, -88994],
    ]
)


@dataclass(frozen=True)
class Job:
    """One demonstration.

    Parameters
    ----------
    name : str
        The picture's file name, without extension.
    title : str
        What it shows, in ASCII: the font that Pillow brings has neither × nor ².
    call : callable
        Does the work that is timed, with a number of workers.
    check : callable
        Raises AssertionError if a result of the library is wrong.
    panels : callable
        Makes the picture from the result.
    """

    name: str
    title: str
    call: Callable[[int | None], Array]
    check: Callable[[Array], None]
    panels: Callable[[Array], list[Panel]]


@dataclass(frozen=True)
class Timing:
    """Seconds of the first call, compilation included, and of a repeated one."""

    first: float
    again: float


def run(folder: str, *, workers: int | None = None) -> int:
    """Run all jobs, write their pictures and print what each took.

    Returns
    -------
    int
        0 when every check held, 1 otherwise.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageFileError(f"Cannot make the folder '{folder}': {error.strerror}; name another.") from None
    failures = 0
    print(f"{'':60}{'first call':>12}{'again':>10}")
    for number, job in enumerate(_jobs(), start=1):
        result, timing = _timed(job, workers)
        path = target / f"{number}-{job.name}.png"
        verdict = ""
        try:
            job.check(result)
        except AssertionError as error:
            failures += 1
            verdict = f"\n   WRONG: {str(error).strip()}"
        write(path, sheet(job.title, job.panels(result)))
        print(f"{number}  {job.title:57}{_shown(timing.first):>12}{_shown(timing.again):>10}{verdict}")
    checks = "every check held" if not failures else f"{failures} of the checks FAILED"
    print(f"\nPictures are in '{target}'; {checks}. The first call traces and compiles, or loads compiled code.")
    return 1 if failures else 0


def _timed(job: Job, workers: int | None) -> tuple[Array, Timing]:
    start = time.perf_counter()
    result = job.call(workers)
    first = time.perf_counter() - start
    again = []
    for _ in range(_REPETITIONS):
        start = time.perf_counter()
        job.call(workers)
        again.append(time.perf_counter() - start)
    return result, Timing(first, sorted(again)[_REPETITIONS // 2])


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _photographs() -> Any:
    try:
        from skimage import data
    except ImportError:
        raise missing_dependency("skimage", "the demo", "kernelscape[demo]") from None
    return data


def _jobs() -> list[Job]:
    data = _photographs()
    left, right, _ = data.stereo_motorcycle()
    return [
        _two_images(_grey(left), _grey(right)),
        _directional(data.camera()),
        _largest_product(data.chelsea()),
        _kernel_from_position(data.astronaut()),
    ]


def _grey(colours: Array) -> Array:
    return np.asarray(np.rint(colours @ np.array([0.2125, 0.7154, 0.0721])), np.uint8)


_MOTORCYCLE = (slice(60, 460), slice(90, 650))


def _two_images(left: Array, right: Array) -> Job:
    """Sums over the windows of two images, which shrink at the border."""

    def function(a: Any, b: Any) -> Any:
        return np.sum(a**2 - b**2)

    def call(workers: int | None) -> Array:
        return _array(ks.apply(function, left, right, size=3, mode="shrink", dtype=np.float32, workers=workers))

    def check(result: Array) -> None:
        np.testing.assert_array_equal(ks.apply(function, A, B, size=3, mode="shrink"), SUMS)
        np.testing.assert_array_equal(ks.apply(function, A, B, size=3, padding="valid"), SUMS[1:-1, 1:-1])
        _check_at_random(result, lambda p: function(*(_shrunk(image, p, 3).astype(float) for image in (left, right))))

    return Job(
        "two-images",
        "sum(a**2 - b**2) over 3 by 3 windows of two images",
        call,
        check,
        lambda result: [
            Panel(left[_MOTORCYCLE], "a: the left eye"),
            Panel(right[_MOTORCYCLE], "b: the right eye"),
            Panel(signed_colours(result)[_MOTORCYCLE], "red where a is brighter, blue where b is"),
        ],
    )


_DIRECTION = np.array([[2, 1, 0], [1, 0, -1], [0, -1, -2]], dtype=np.float32)


def _directional(image: Array) -> Job:
    """A fixed kernel with reflecting borders; strides and paddings on a ramp."""

    def call(workers: int | None) -> Array:
        floating = image.astype(np.float32)
        return _array(ks.correlate(floating, _DIRECTION, mode="mirror", stride=2, workers=workers))

    def check(result: Array) -> None:
        padded = np.pad(image.astype(float), 1, mode="reflect")  # NumPy's reflect is SciPy's mirror
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))[::2, ::2]
        np.testing.assert_allclose(result, np.sum(windows * _DIRECTION, axis=(2, 3)), rtol=1e-5, atol=1e-3)
        ramp = np.arange(25).reshape(5, 5)
        ones = np.ones((2, 2), dtype=int)
        sums = ks.correlate(ramp, ones, stride=2, padding="valid")
        np.testing.assert_array_equal(sums, [[12, 20], [52, 60]])
        below = ks.correlate(ramp, ones, stride=2, padding=((0, 1), (1, 0)), mode="constant")
        np.testing.assert_array_equal(below, [[5, 16, 24], [25, 56, 64], [20, 43, 47]])

    return Job(
        "directional",
        "a directional 3 by 3 kernel, mirrored borders, stride 2",
        call,
        check,
        lambda result: [
            Panel(image, "before"),
            Panel(
                enlarge(grey_levels(result), 2),
                "after: light from the upper left; every second pixel, shown twice as large",
            ),
        ],
    )


_PRODUCTS = np.array([[1.0, 0.9], [0.9, 0.8]], dtype=np.float32)
_EYE = (slice(95, 165), slice(115, 215))


def _largest_product(image: Array) -> Job:
    """The maximum of the products of window and kernel."""

    def function(w: Any, k: Any) -> Any:
        return np.max(w * k)

    def call(workers: int | None) -> Array:
        kernel = ks.kernel(_PRODUCTS)
        options: dict[str, Any] = {"axes": (0, 1), "dtype": np.float32, "output": np.uint8, "workers": workers}
        return _array(ks.apply(function, image, kernel, **options))

    def check(result: Array) -> None:
        padded = np.pad(image.astype(np.float32), ((1, 0), (1, 0), (0, 0)), mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 2), axis=(0, 1))
        np.testing.assert_array_equal(result, np.rint(np.max(windows * _PRODUCTS, axis=(3, 4))).astype(np.uint8))

    return Job(
        "largest-product",
        "max(w * k) with a 2 by 2 kernel, each colour by itself",
        call,
        check,
        lambda result: [
            Panel(enlarge(image[_EYE], 5), "before (a detail, five times enlarged)"),
            Panel(enlarge(result[_EYE], 5), "after: highlights spread to their neighbours"),
        ],
    )


def _kernel_from_position(image: Array) -> Job:
    """A kernel that is computed at each pixel from its position."""
    dy, dx = (offset.astype(np.float32) for offset in np.mgrid[-7:8, -7:8])
    squares = dx**2 + dy**2

    def bare(w: Any, y: Any) -> Any:
        return np.sum(w * np.exp(-squares / (y + 1)))

    def blur(w: Any, y: Any) -> Any:
        weights = np.exp(-squares / (y / 16 + 1))
        return np.sum(w * weights) / np.sum(weights)

    def call(workers: int | None) -> Array:
        options: dict[str, Any] = {"axes": (0, 1), "dtype": np.float32, "output": np.uint8, "workers": workers}
        return _array(ks.apply(blur, image, ks.index(0), size=15, **options))

    def check(result: Array) -> None:
        padded = np.pad(image.astype(float), ((7, 7), (7, 7), (0, 0)), mode="symmetric")

        def expected(position: tuple[int, ...], function: Callable[[Any, Any], Any]) -> Any:
            y, x, colour = position
            return function(padded[y : y + 15, x : x + 15, colour], float(y))

        _check_at_random(result, lambda p: expected(p, blur), tolerance=0.51)
        sums = ks.apply(bare, image, ks.index(0), size=15, axes=(0, 1), dtype=np.float32)
        _check_at_random(_array(sums), lambda p: expected(p, bare), tolerance=0.05)

    return Job(
        "kernel-from-position",
        "exp(-(dx**2 + dy**2) / (y + 1)), a kernel for each pixel",
        call,
        check,
        lambda result: [
            Panel(image, "before"),
            Panel(result, "after: the blur grows from top to bottom (y / 16, normalised)"),
        ],
    )


def _array(value: Any) -> Array:
    return np.asarray(value)


def _shrunk(image: Array, position: tuple[int, ...], size: int) -> Array:
    reach = size // 2
    return image[tuple(slice(max(0, place - reach), place + reach + 1) for place in position)]


def _check_at_random(result: Array, expected: Callable[[tuple[int, ...]], Any], tolerance: float = 1e-3) -> None:
    """Compare with the definition at random pixels and at the corners."""
    generator = np.random.default_rng(0)
    positions = [tuple(int(generator.integers(extent)) for extent in result.shape) for _ in range(200)]
    positions += [tuple(0 for _ in result.shape), tuple(extent - 1 for extent in result.shape)]
    for position in positions:
        np.testing.assert_allclose(float(result[position]), float(expected(position)), rtol=1e-5, atol=tolerance)
