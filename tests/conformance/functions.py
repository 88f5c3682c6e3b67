"""The functions that every engine has to get right, as a table; a new row is tested by all tests of this folder.

A function takes windows of any shape. `roles` says what its arguments are; a ``kernel`` has the shape of the window, an
``other`` window a size, origin and dilation of its own.
"""

import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelscape.trace import count, entropy, majority, skew, valid, variety

ANY, NUMBERS, FLOATS, INTEGERS = "biuf", "iuf", "f", "iu"


@dataclass(frozen=True)
class Function:
    call: Callable[..., Any]
    kinds: str = ANY
    roles: tuple[str, ...] = ("window",)
    least: int = 1
    """Fewest samples of a window for which it has a meaning."""
    most: int = 10**6
    """Most samples that tests give it, where the code is written out."""


def bilateral(w):
    w = w.ravel()
    centre = w[w.size // 2]
    weights = np.exp(-((w - centre) ** 2) / 8)
    return np.sum(weights * w) / np.sum(weights)


def trimmed_mean(w):
    ordered = np.sort(w, axis=None)
    cut = w.size // 4
    return np.mean(ordered[cut : w.size - cut])


def conditional(w):
    w = w.ravel()
    if w[0] > w[-1]:
        return np.max(w) - w[0]
    return np.min(w)


def assigned(w):
    flat = w.ravel()
    flat[::2] = 0
    flat[-1] = flat[0] + 1
    return np.sum(flat)


def deviation(w):
    return np.median(np.abs(w - np.median(w)))


def correlation(a, b):
    a, b = a - np.mean(a), b - np.mean(b)
    return np.sum(a * b) / (1 + np.sqrt(np.sum(a * a) * np.sum(b * b)))


def local_contrast(w):
    return np.mean(np.abs(np.diff(w.ravel())))


FUNCTIONS: dict[str, Function] = {
    "sum": Function(np.sum),
    "mean": Function(np.mean),
    "std": Function(np.std, NUMBERS),
    "var": Function(np.var, NUMBERS),
    "min": Function(np.min),
    "max": Function(np.max),
    "ptp": Function(np.ptp, NUMBERS),
    "argmin": Function(np.argmin),
    "argmax": Function(np.argmax),
    "median": Function(np.median, NUMBERS),
    "lower_percentile": Function(lambda w: np.percentile(w, 30), NUMBERS),
    "upper_percentile": Function(lambda w: np.percentile(w, 83.5, method="lower"), NUMBERS),
    "rank": Function(lambda w: np.sort(w, axis=None)[w.size // 3]),
    "second_largest": Function(lambda w: np.partition(w.ravel(), -2)[-2], NUMBERS, least=2),
    "sorted": Function(lambda w: np.sort(w, axis=None), most=30),
    "sorted_rows": Function(lambda w: np.sort(w, axis=-1)[..., 0], most=30),
    "trimmed_mean": Function(trimmed_mean, NUMBERS, least=4),
    "deviation": Function(deviation, NUMBERS, most=49),
    "any": Function(lambda w: np.any(w)),
    "all": Function(lambda w: np.all(w)),
    "count_nonzero": Function(np.count_nonzero),
    "product": Function(np.prod, most=30),
    "first": Function(lambda w: w.ravel()[0]),
    "centre": Function(lambda w: w.ravel()[w.size // 2]),
    "sum_of_products": Function(lambda w, k: np.sum(w * k), roles=("window", "kernel")),
    "largest_product": Function(lambda w, k: np.max(w * k), roles=("window", "kernel")),
    "weighted_mean": Function(lambda w, k: np.sum(w * k) / np.sum(np.abs(k)), NUMBERS, ("window", "kernel")),
    "difference_of_squares": Function(lambda a, b: np.sum(a**2 - b**2), NUMBERS, ("window", "window")),
    "correlation": Function(correlation, NUMBERS, ("window", "window"), most=130),
    "largest_of_two": Function(lambda a, b: np.max(np.maximum(a, b)), ANY, ("window", "window")),
    "difference_of_means": Function(lambda a, b: np.mean(a) - np.mean(b), NUMBERS, ("window", "other"), most=49),
    "above_surroundings": Function(lambda a, b: np.sum(a > np.median(b)), NUMBERS, ("window", "other"), most=49),
    "bilateral": Function(bilateral, FLOATS, most=130),
    "mean_above": Function(lambda w: np.mean(w[w > 1]), NUMBERS),
    "sum_below": Function(lambda w: np.sum(w[w < 3]), NUMBERS),
    "largest_below": Function(lambda w: np.max(w[w <= w.ravel()[0]]), NUMBERS),
    "median_above": Function(lambda w: np.median(w[w >= 0]), NUMBERS, most=130),
    "nanmean": Function(np.nanmean, FLOATS),
    "nanmax": Function(np.nanmax, NUMBERS),
    "nansum": Function(np.nansum, FLOATS),
    "nanmedian": Function(np.nanmedian, FLOATS, most=130),
    "nanstd": Function(np.nanstd, FLOATS),
    "conditional": Function(conditional, NUMBERS),
    "flipped": Function(lambda w: np.sum(np.flip(w) * w), ANY),
    "differences": Function(lambda w: np.max(np.diff(w.ravel())), NUMBERS, least=2),
    "contrast": Function(local_contrast, "f", least=2),
    "reshaped": Function(lambda w: np.max(w.reshape(1, -1), axis=1)[0], ANY),
    "joined": Function(lambda w: np.sum(np.concatenate([w.ravel(), w.ravel()[:1]])), ANY),
    "assigned": Function(assigned, NUMBERS, most=49),
    "tuple": Function(lambda w: (np.min(w), np.argmax(w), np.mean(w)), ANY),
    "pair": Function(lambda w: np.stack([np.min(w), np.max(w)]), ANY),
    "partial_sums": Function(lambda w: np.cumsum(w.ravel())[-3:], NUMBERS, most=49),
    "along_last": Function(lambda w: np.sum(w, axis=-1), ANY, most=60),
    "coordinate_weighted": Function(lambda w, x: np.sum(w) * x, NUMBERS, ("window", "index")),
    "above_map": Function(lambda w, t: np.sum(w > t), NUMBERS, ("window", "pixel")),
    "scaled_by_map": Function(lambda w, t: np.sum(w * t), NUMBERS, ("window", "pixel")),
    "plus_number": Function(lambda w, c: np.sum(w) + c, NUMBERS, ("window", "number")),
    "above_number": Function(lambda w, c: np.count_nonzero(w > c), NUMBERS, ("window", "number")),
    "exp": Function(lambda w: np.sum(np.exp(-np.abs(w))), FLOATS, most=130),
    "log": Function(lambda w: np.mean(np.log(np.abs(w) + 1)), NUMBERS, most=130),
    "sin": Function(lambda w: np.max(np.sin(w)), FLOATS, most=130),
    "root": Function(lambda w: np.sqrt(np.sum(w * w)), NUMBERS),
    "power": Function(lambda w: np.sum(np.abs(w) ** 1.5), FLOATS, most=49),
    "floor_division": Function(lambda w, k: np.sum(w // k), NUMBERS, ("window", "kernel"), most=60),
    "remainder": Function(lambda w, k: np.max(w % k), NUMBERS, ("window", "kernel"), most=60),
    "shifted": Function(lambda w: np.max((w << 3) ^ (w >> 1)), INTEGERS, most=60),
    "shifted_by_data": Function(lambda w, k: np.sum(w >> k), INTEGERS, ("window", "kernel"), most=60),
    "bits": Function(lambda w: functools.reduce(operator.and_, ~w.ravel()), "biu", most=30),
    "clipped": Function(lambda w: np.sum(np.clip(w, 1, 5)), NUMBERS),
    "chosen": Function(lambda w: np.sum(np.where(w > 2, w, 1)), NUMBERS),
    "rounded": Function(lambda w: np.sum(np.round(w)), FLOATS),
    "valid_fraction": Function(lambda w: np.where(valid(w), 1.0, 0.0).sum() / count(w), ANY),
    "majority": Function(majority, most=49),
    "variety": Function(variety, most=130),
    "entropy": Function(entropy, most=49),
    "skew": Function(skew, NUMBERS),
    "variety_of_rows": Function(lambda w: np.max(variety(w, axis=-1)), most=49),
    "majority_above": Function(lambda w: majority(w[w > 1]), NUMBERS, most=49),
    "norm": Function(lambda w: np.linalg.norm(w.ravel()), FLOATS),
}
