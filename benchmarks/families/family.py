"""What a family of jobs is, and what its jobs have in common: images of a kind, and our side of the table."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

import kernelscape as ks
from benchmarks import THREADS
from benchmarks.harness import OURS, Array, Job, Run
from benchmarks.peers import NEEDS, Factory

SIDES = (3, 5, 7, 9, 11, 15, 21, 31)
KINDS = {
    "u8": np.dtype(np.uint8),
    "u16": np.dtype(np.uint16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "rgb u8": np.dtype(np.uint8),
    "rgb f32": np.dtype(np.float32),
}
"""What the images hold; an RGB image has the shape (H, W, 3)."""


@dataclass(frozen=True)
class Case:
    """A member of a family: the kind of its arrays, and the extent of its window."""

    kind: str
    side: int

    @property
    def dtype(self) -> np.dtype:
        return KINDS[self.kind]

    @property
    def is_coloured(self) -> bool:
        return self.kind.startswith("rgb")

    @property
    def is_integer(self) -> bool:
        return self.dtype.kind in "ui"

    @property
    def floating(self) -> np.dtype:
        """The dtype of weights, and of what is computed in floating point: float64 for float64 only."""
        return np.dtype(np.float64 if self.dtype == np.float64 else np.float32)


@dataclass(frozen=True)
class Family:
    """Jobs that differ by kind and window size only.

    Attributes
    ----------
    name
        As it stands in the table, before the kind and the size.
    kinds, sides
        The members.
    job
        Makes a member's job. Contestants that are None cannot do it, and are left out.
    dimensions
        Of the windows.
    stride
        Of the outputs, along each axis.
    is_product_sum
        Each output is a sum of as many products as the window has samples, and nothing is known about the weights.
    result
        The dtype of the outputs, where it is not the input's.
    """

    name: str
    kinds: tuple[str, ...]
    job: Callable[[Case], Job]
    sides: tuple[int, ...] = SIDES
    dimensions: int = 2
    stride: int = 1
    is_product_sum: bool = False
    result: type[np.generic] | None = None

    def cases(self) -> list[Case]:
        return [Case(kind, side) for kind in self.kinds for side in self.sides]

    def name_of(self, case: Case) -> str:
        return f"{self.name} {case.kind} {'x'.join([str(case.side)] * self.dimensions)}"

    def job_of(self, case: Case) -> Job:
        return replace(self.job(case), name=self.name_of(case), table=self.name)


def volume_shape(shape: tuple[int, int]) -> tuple[int, int, int]:
    """The shape of a volume with about as many elements as an image; small images give one that is long enough."""
    if min(shape) < 256:
        return (11, 19, shape[1])
    return (shape[0] // 16, shape[1] // 16, 256)


def arrays_of(case: Case, dimensions: int = 2) -> Callable[..., tuple[Array, ...]]:
    """Give a maker of one random array: floats in [0, 1), integers over their whole range.

    A line has as many elements as an image, and so has a volume.
    """

    def make(shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, ...]:
        whole = {1: (shape[0] * shape[1],), 2: shape, 3: volume_shape(shape)}[dimensions]
        whole = (*whole, 3) if case.is_coloured else whole
        if case.is_integer:
            return (rng.integers(0, np.iinfo(case.dtype).max, whole, case.dtype, endpoint=True),)
        return (rng.random(whole, dtype=case.dtype),)

    return make


def applied(function: Callable[..., object], case: Case, result: object = None, **settings: object) -> Factory:
    """`ks.apply`, with an output of the input's dtype unless told otherwise."""
    settings.setdefault("size", None if "footprint" in settings else case.side)

    def make(image: Array, method: str = "auto", workers: int = THREADS) -> Run:
        output = np.empty(image.shape, result or image.dtype)
        return Run(lambda: ks.apply(function, image, output=output, workers=workers, method=method, **settings))

    return make


def correlated(weights: object, **settings: object) -> Factory:
    """`ks.correlate`, with an output of the input's dtype; colours are no axis of the window."""

    def make(image: Array, method: str = "auto", workers: int = THREADS) -> Run:
        axes = {"axes": (0, 1)} if image.ndim == 3 and image.shape[-1] == 3 else {}
        stride = settings.get("stride", 1)
        output = np.empty([-(-n // stride) if i < 2 else n for i, n in enumerate(image.shape)], image.dtype)
        whole = {"output": output, "workers": workers, "method": method, **axes, **settings}
        return Run(lambda: ks.correlate(image, weights, **whole))

    return make


def contest(
    case: Case,
    ours: Factory,
    oracle: Callable[[Array], Array],
    tolerance: float,
    *,
    dimensions: int = 2,
    inside: tuple[str, ...] = (),
    levels: float | None = None,
    coarse: dict[str, float] | None = None,
    aside: dict[str, float] | None = None,
    notes: dict[str, str] | None = None,
    **peers: Factory | None,
) -> Job:
    """Make a job of a family; a peer's name has underscores for spaces.

    Integers may differ by one grey level where `tolerance` is not 0: a sum near one half is rounded either way.
    """
    named = {name.replace("_", " "): factory for name, factory in peers.items() if factory is not None}
    return Job(
        name="",
        inputs=arrays_of(case, dimensions),
        contestants={OURS: ours, **named},
        oracle=oracle,
        tolerance=tolerance,
        slow=frozenset(),
        needs={name: NEEDS[name] for name in named if name in NEEDS},
        levels=(1.0 if case.is_integer and tolerance else 0.0) if levels is None else levels,
        coarse=coarse or {},
        inside=frozenset(inside) & frozenset(named),
        aside={name: value for name, value in (aside or {}).items() if name in named},
        notes={name: text for name, text in (notes or {}).items() if name in named},
    )


def rounded(values: Array, dtype: np.dtype) -> Array:
    """Convert as Kernelscape's outputs are: half to even, saturated."""
    if dtype.kind not in "ui":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
