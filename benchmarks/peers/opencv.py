"""OpenCV: its own multithreading, outputs given, the border that its users would choose for the job."""

import cv2
import numpy as np

from benchmarks import THREADS
from benchmarks.harness import Array, Run
from benchmarks.peers import Factory

cv2.setNumThreads(THREADS)

BORDER = cv2.BORDER_REFLECT


def correlated(weights: Array, stride: int = 1) -> Factory:
    def make(image: Array) -> Run:
        output = np.empty_like(image)
        step = (slice(None, None, stride),) * 2

        def work() -> Array:
            return cv2.filter2D(image, -1, weights, dst=output, borderType=BORDER)[step]

        return Run(work)

    return make


def on_line(factory: Factory) -> Factory:
    """A filter of images, for a line: an image of one row."""

    def make(line: Array) -> Run:
        run = factory(line[None])
        return Run(lambda: run()[0])

    return make


def averaged(side: int | tuple[int, int]) -> Factory:
    def make(image: Array) -> Run:
        output = np.empty_like(image)
        size = side if isinstance(side, tuple) else (side, side)
        return Run(lambda: cv2.blur(image, size, dst=output, borderType=BORDER))

    return make


def blurred(side: int, sigma: float) -> Factory:
    def make(image: Array) -> Run:
        output = np.empty_like(image)
        return Run(lambda: cv2.GaussianBlur(image, (side, side), sigma, dst=output, borderType=BORDER))

    return make


def separated(line: Array) -> Factory:
    """`sepFilter2D` with the same weights along both axes."""

    def make(image: Array) -> Run:
        output = np.empty_like(image)
        return Run(lambda: cv2.sepFilter2D(image, -1, line, line, dst=output, borderType=BORDER))

    return make


def greatest(side: int, height: int | None = None) -> Factory:
    ones = np.ones((height or side, side), np.uint8)

    def make(image: Array) -> Run:
        output = np.empty_like(image)
        return Run(lambda: cv2.dilate(image, ones, dst=output))

    return make


def least(side: int) -> Factory:
    ones = np.ones((side, side), np.uint8)

    def make(image: Array) -> Run:
        output = np.empty_like(image)
        return Run(lambda: cv2.erode(image, ones, dst=output))

    return make


def median(side: int) -> Factory:
    def make(image: Array) -> Run:
        output = np.empty_like(image)
        return Run(lambda: cv2.medianBlur(image, side, dst=output))

    return make


def deviation(side: int) -> Factory:
    """E[w²] - E[w]², from two box filters: what its users write, in float64 for float64 only."""

    def make(image: Array) -> Run:
        depth = cv2.CV_64F if image.dtype == np.float64 else cv2.CV_32F
        dtype = np.float64 if image.dtype == np.float64 else np.float32
        mean, square, output = (np.empty(image.shape, dtype) for _ in range(3))

        def work() -> Array:
            cv2.boxFilter(image, depth, (side, side), dst=mean, borderType=BORDER)
            cv2.sqrBoxFilter(image, depth, (side, side), dst=square, borderType=BORDER)
            cv2.multiply(mean, mean, dst=mean)
            cv2.subtract(square, mean, dst=square)
            cv2.max(square, 0, dst=square)
            return cv2.sqrt(square, dst=output)

        return Run(work)

    return make


def bilateral(side: int, sigma_colour: float, sigma_space: float) -> Factory:
    def make(image: Array) -> Run:
        output = np.empty_like(image)
        settings = {"dst": output, "borderType": BORDER}
        return Run(lambda: cv2.bilateralFilter(image, side, sigma_colour, sigma_space, **settings))

    return make
