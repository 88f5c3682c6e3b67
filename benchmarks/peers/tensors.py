"""torch and JAX on the CPU: zero borders, which are their own, and compared away from them."""

from collections.abc import Callable

import numpy as np

from benchmarks import THREADS
from benchmarks.harness import Array, Run
from benchmarks.peers import Factory
from benchmarks.peers.arrays import inner


def torch_work(prepare: Callable[..., Callable[[], object]], cut: Callable[[int], tuple[slice, ...]]) -> Factory:
    """A contestant from a function of torch and a tensor of shape (1, 1, *image)."""

    def make(image: Array) -> Run:
        import torch

        torch.set_num_threads(THREADS)
        work = prepare(torch, torch.from_numpy(image)[None, None])

        def run() -> Array:
            with torch.no_grad():
                return work()[0, 0].numpy()[cut(image.ndim)]

        return Run(run)

    return make


def torch_correlated(weights: Array, stride: int = 1) -> Factory:
    """`conv1d`, `conv2d` or `conv3d`."""
    side, dimensions = len(weights), weights.ndim

    def prepare(torch: object, image: object) -> Callable[[], object]:
        function = getattr(torch.nn.functional, f"conv{dimensions}d")
        filters = torch.from_numpy(weights)[None, None]
        return lambda: function(image, filters, stride=stride, padding=side // 2)

    margin = -(-(side // 2) // stride)
    return torch_work(prepare, lambda dimensions: (slice(margin, -margin),) * dimensions)


def torch_pooled(name: str, side: int, dimensions: int = 2) -> Factory:
    """`avg_pool2d`, `max_pool2d` and their kin, with a stride of 1."""

    def prepare(torch: object, image: object) -> Callable[[], object]:
        function = getattr(torch.nn.functional, f"{name}_pool{dimensions}d")
        return lambda: function(image, side, stride=1, padding=side // 2)

    return torch_work(prepare, lambda dimensions: inner(side, dimensions))


def torch_median(side: int) -> Factory:
    """`unfold`, then `median` over the window."""

    def prepare(torch: object, image: object) -> Callable[[], object]:
        shape = image.shape

        def work() -> object:
            windows = torch.nn.functional.unfold(image, side, padding=side // 2)
            return windows.median(dim=1).values.reshape(shape)

        return work

    return torch_work(prepare, lambda dimensions: inner(side, dimensions))


def jax_work(prepare: Callable[..., object], side: int) -> Factory:
    def make(image: Array) -> Run:
        import jax

        source, work = jax.numpy.asarray(image), jax.jit(prepare(jax))
        return Run(lambda: np.asarray(work(source))[inner(side, image.ndim)])

    return make


def jax_correlated(weights: Array) -> Factory:
    letters = "DHW"[3 - weights.ndim :]

    def prepare(jax: object) -> Callable[..., object]:
        filters = jax.numpy.asarray(weights)[None, None]
        numbers = ("NC" + letters, "OI" + letters, "NC" + letters)
        strides = (1,) * weights.ndim
        return lambda image: jax.lax.conv_general_dilated(
            image[None, None], filters, strides, "SAME", dimension_numbers=numbers
        )[0, 0]

    return jax_work(prepare, len(weights))


def jax_reduced(name: str, side: int, dimensions: int = 2) -> Factory:
    """`reduce_window` with "add" (divided by the number of samples) or "max"."""

    def prepare(jax: object) -> Callable[..., object]:
        size, steps = (side,) * dimensions, (1,) * dimensions
        start = 0.0 if name == "add" else -np.inf
        operator = getattr(jax.lax, name)
        scale = np.float32(1 / side**dimensions)

        def work(image: object) -> object:
            found = jax.lax.reduce_window(image, np.float32(start), operator, size, steps, "SAME")
            return found * scale if name == "add" else found

        return work

    return jax_work(prepare, side)
