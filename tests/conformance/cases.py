"""Calls of `kernelscape.apply` as plain data: drawn from a source of random numbers, built, and printed as a script.

The source may be a hypothesis one, so that a failing case shrinks. Arrays are made from a recipe (dtype, shape, layout
in memory, kind of values, seed), so that the repr of a case is all that is needed to run it again.
"""

import math
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np

import kernelscape as ks
from tests.conformance.functions import FUNCTIONS, Function
from tests.conformance.programs import draw_program, function_of

DTYPES = {
    "b": ("bool",),
    "u": ("uint8", "uint16", "uint32", "uint64", ">u2", ">u4"),
    "i": ("int8", "int16", "int32", "int64", ">i2", ">i8"),
    "f": ("float16", "float32", "float64", ">f4", ">f8", ">f2"),
}
LAYOUTS = ("C", "F", "reversed", "stepped", "broadcast", "unaligned", "readonly", "permuted")
VALUES = ("small", "wide", "special", "constant", "zeros", "huge")
MODES = ("reflect", "mirror", "nearest", "wrap", "constant", "shrink")


@dataclass(frozen=True)
class Recipe:
    """An array."""

    dtype: str
    shape: tuple[int, ...]
    layout: str = "C"
    values: str = "small"
    seed: int = 0


@dataclass(frozen=True)
class Case:
    """A call of `apply`: `others` are the recipes of the arguments after the first window, in the function's order."""

    function: str
    array: Recipe
    options: dict[str, Any]
    others: tuple[Any, ...] = ()
    output: Any = None
    workers: int | None = None
    words: dict[str, Any] = field(default_factory=dict)
    """Of `ks.window`, for the second window."""
    where: Recipe | None = None
    """The mask of the call; that of the second window, if it has one, is among `words`."""

    def mask(self) -> Any:
        return None if self.where is None else make(self.where)

    def arguments(self) -> list[Any]:
        made: list[Any] = [make(self.array)]
        words = {name: make(word) if isinstance(word, Recipe) else word for name, word in self.words.items()}
        for role, other in zip(named(self.function).roles[1:], self.others, strict=True):
            made.append(_MARKS[role](other, words))
        return made

    def call_options(self) -> dict[str, Any]:
        options = dict(self.options)
        if "footprint" in options:
            options["footprint"] = np.array(options["footprint"])
        return options

    def script(self) -> str:
        return (
            "from tests.conformance.cases import Case, Recipe\n"
            "from tests.conformance.check import check\n"
            "nan, inf = float('nan'), float('inf')\n"
            f"check({self!r})\n"
        )


def named(name: str) -> Function:
    """The function of a case: one of the table, or a text of ``programs.py``."""
    return FUNCTIONS[name] if name in FUNCTIONS else function_of(name)


_MARKS = {
    "window": lambda recipe, words: ks.window(make(recipe), **words) if words else make(recipe),
    "other": lambda recipe, words: ks.window(make(recipe), **words),
    "kernel": lambda recipe, words: ks.kernel(make(recipe)),
    "pixel": lambda recipe, words: ks.pixel(make(recipe)),
    "index": lambda axis, words: ks.index(axis),
    "number": lambda value, words: value,
}


# -- arrays ------------------------------------------------------------------------------------------------------------


def values(dtype: np.dtype, shape: tuple[int, ...], kind: str, rng: np.random.Generator) -> np.ndarray:
    """Numbers of a kind that exercise a dtype; in native byte order."""
    dtype = dtype.newbyteorder("=")
    if kind == "zeros":
        return np.zeros(shape, dtype)
    if kind == "constant":
        return np.full(shape, 3, dtype)
    if dtype.kind == "b":
        return rng.random(shape) < {"wide": 0.9, "huge": 0.1}.get(kind, 0.5)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if kind == "small":
            return rng.integers(0 if dtype.kind == "u" else -9, 10, shape).astype(dtype)
        made = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
        ends = np.array([limits.min, limits.max, 0, 1], dtype)
        return np.where(rng.random(shape) < 0.2, ends[rng.integers(0, 4, shape)], made)
    made = np.round(rng.normal(0, 3, shape), 2)
    if kind == "wide":
        made = rng.normal(0, 1, shape) * 10.0 ** rng.integers(-3, 4, shape)
    if kind == "huge":
        made = rng.normal(0, 1, shape) * float(np.finfo(dtype).max) ** rng.uniform(-0.9, 0.9, shape)
    if kind == "special":
        limits = np.finfo(dtype)
        tiny = float(limits.smallest_subnormal)
        odd = np.array(
            [np.nan, np.inf, -np.inf, -0.0, 0.0, tiny, -3 * tiny, float(limits.tiny), float(limits.max), 1.0]
        )
        rare = rng.random(shape) < rng.choice([0.02, 0.3])
        made = np.where(rare, odd[rng.integers(0, len(odd), shape)], made)
    with np.errstate(over="ignore"):
        return made.astype(dtype)


def make(recipe: Recipe) -> np.ndarray:
    """The array of a recipe."""
    dtype = np.dtype(recipe.dtype)
    rng = np.random.default_rng(recipe.seed)
    return lay_out(values(dtype, recipe.shape, recipe.values, rng).astype(dtype), recipe.layout)


def lay_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same array (for ``broadcast`` its first slice, again and again) laid out differently in memory."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "reversed":
        flipped = (slice(None, None, -1),) * array.ndim
        return np.ascontiguousarray(array[flipped])[flipped]
    if layout == "stepped":
        room = np.ones((*(2 * n + 1 for n in array.shape[:-1]), 3 * array.shape[-1] + 1), array.dtype)
        view = room[(*(slice(1, None, 2) for _ in array.shape[:-1]), slice(1, None, 3))]
        view[...] = array
        return view
    if layout == "broadcast":
        return np.broadcast_to(array[:1], array.shape)
    if layout == "unaligned":
        room = np.zeros(array.nbytes + 1, np.uint8)
        view = room[1:].view(array.dtype).reshape(array.shape)
        view[...] = array
        return view
    if layout == "readonly":
        array = array.copy()
        array.flags.writeable = False
        return array
    if layout == "permuted" and array.ndim > 2:
        order = (1, *range(2, array.ndim), 0)
        return np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))
    return np.ascontiguousarray(array)


# -- drawing -----------------------------------------------------------------------------------------------------------


def draw(random: Random, names: list[str] | None = None, *, programs: float = 0.0) -> Case:
    """A case; the function is one of `names`, or any; in a share `programs` of the cases a function made up."""
    name = draw_program(random) if random.random() < programs else random.choice(names or sorted(FUNCTIONS))
    function = named(name)
    ndim = random.choice((1, 2, 2, 2, 3, 3, 4))
    windows = random.randint(1, ndim)
    axes = tuple(sorted(random.sample(range(ndim), windows)))
    if random.random() < 0.1:
        axes = axes[::-1]
    options: dict[str, Any] = {}
    if windows < ndim or axes != tuple(range(ndim)) or random.random() < 0.2:
        options["axes"] = axes
    sizes = _sizes(random, windows, function)
    shape = _shape(random, ndim, axes, sizes)
    _draw_window(random, options, sizes, function)
    _whole_axes(random, options, shape, axes, function)
    _draw_geometry(random, options, sizes)
    dtype = random.choice(DTYPES[random.choice(function.kinds)])
    seed = random.randint(0, 2**20)
    array = Recipe(dtype, shape, random.choice(LAYOUTS), random.choice(VALUES), seed)
    _draw_loading(random, options, array, function)
    others, words = _others(random, function, array, axes, sizes, options)
    where = _gaps(random, array, axes, options, function, words)
    case = Case(name, array, options, others, workers=random.choice((None, 1, 2, 3, 4)), words=words, where=where)
    return replace(case, output=_output(random, case))


def _gaps(random: Random, array: Recipe, axes, options, function, words) -> Recipe | None:
    """What says which samples count."""
    if random.random() < 0.2:
        options["nan_policy"] = "omit"
    if "other" in function.roles and random.random() < 0.2:
        words["where"] = _mask(random, array, axes)
    return _mask(random, array, axes) if random.random() < 0.3 else None


def _mask(random: Random, array: Recipe, axes) -> Recipe:
    whole = random.random() < 0.6 or axes != tuple(sorted(axes))
    shape = array.shape if whole else tuple(array.shape[a] for a in axes)
    values = random.choice(("small", "wide", "huge", "zeros", "constant"))
    return Recipe("bool", shape, random.choice(LAYOUTS), values, random.randint(0, 2**20))


def _sizes(random: Random, windows: int, function) -> tuple[int, ...]:
    if random.random() < 0.08:
        large = random.choice(((31, 31), (11, 13), (1, 40), (25, 1)))
        sizes = (large if windows > 1 else (large[0] + large[1],)) + (1,) * (windows - 2)
        if math.prod(sizes) <= function.most:
            return sizes
    most = {1: 9, 2: 6, 3: 4, 4: 3}[windows]
    sizes = tuple(random.randint(1, most) for _ in range(windows))
    while math.prod(sizes) > function.most:
        sizes = tuple(max(1, k - 1) for k in sizes)
    while math.prod(sizes) < function.least:
        sizes = tuple(k + 1 for k in sizes)
    return sizes


def _shape(random: Random, ndim: int, axes: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[int, ...]:
    shape = [random.choice((1, 2, 2, 3, 3, 4, 5)) for _ in range(ndim)]
    room = 3000
    if random.random() < 0.2 and math.prod(sizes) <= 30:  # rows of many vectors, so that most of them is read in place
        shape = [min(n, 2) for n in shape]
        shape[random.choice((ndim - 1, random.randrange(ndim)))] = random.choice((130, 257, 600, 1100))
        for axis, size in zip(axes, sizes, strict=True):
            shape[axis] = max(shape[axis], random.choice((1, size, size + 1)))
        return tuple(shape)
    for axis, size in zip(axes, sizes, strict=True):
        most = 70 if axis == axes[-1] else 12
        shape[axis] = random.choice((random.randint(1, most), size, max(1, size - 1), size + 2, most))
    while math.prod(shape) * math.prod(sizes) > 60 * room and max(shape) > 3:
        widest = shape.index(max(shape))
        shape[widest] = max(3, shape[widest] * 2 // 3)
    if random.random() < 0.03:
        shape[random.randrange(ndim)] = 0
    return tuple(shape)


def _draw_window(random: Random, options: dict[str, Any], sizes: tuple[int, ...], function) -> None:
    if "kernel" not in function.roles and math.prod(sizes) <= 60 and random.random() < 0.2:
        footprint = np.array([random.random() < 0.6 for _ in range(math.prod(sizes))]).reshape(sizes)
        if footprint.sum() >= function.least:
            options["footprint"] = footprint.tolist()
            return
    options["size"] = sizes


def _draw_geometry(random: Random, options: dict[str, Any], sizes: tuple[int, ...]) -> None:
    windows = len(sizes)
    one = random.choice(MODES)
    options["mode"] = one if random.random() < 0.6 else tuple(random.choice(MODES) for _ in sizes)
    if random.random() < 0.3:
        options["origin"] = tuple(random.randint(-(k // 2), (k - 1) // 2) for k in sizes)
    if random.random() < 0.25:
        options["stride"] = tuple(random.randint(1, 4) for _ in sizes)
    if random.random() < 0.25:
        options["dilation"] = tuple(random.randint(1, 3) for _ in sizes)
    if random.random() < 0.35:
        words = ("same", "valid", "full", 2, (1, 3), (0, 0))
        plain = windows == 2 or random.random() < 0.5
        options["padding"] = random.choice(words) if plain else _paddings(random, windows)
    if random.random() < 0.15:
        options["min_count"] = random.randint(0, math.prod(sizes))
    if random.random() < 0.15:
        options["invalid"] = random.choice((-1, 0, 7.5, math.inf))


def _paddings(random: Random, windows: int) -> Any:
    return [random.choice(("same", "valid", "full", 1, (2, 0))) for _ in range(windows)]


def _draw_loading(random: Random, options: dict[str, Any], array: Recipe, function) -> None:
    native = np.dtype(array.dtype)
    if random.random() < 0.15:
        wide = [d for k in function.kinds for d in DTYPES[k] if not d.startswith(">")]
        options["dtype"] = random.choice(wide)
        native = np.dtype(options["dtype"])
    if "constant" in str(options["mode"]) and random.random() < 0.7:
        options["cval"] = 1 if native.kind == "b" else random.choice((2, 100)) if native.kind in "iu" else -1.5
        if native.kind == "f" and random.random() < 0.2:
            options["cval"] = math.nan


def _others(random: Random, function, array: Recipe, axes, sizes, options) -> tuple[tuple[Any, ...], dict[str, Any]]:
    made: list[Any] = []
    words: dict[str, Any] = {}
    kind = np.dtype(array.dtype).kind
    for role in function.roles[1:]:
        seed = random.randint(0, 2**20)
        if role == "window":
            made.append(replace(array, layout=random.choice(LAYOUTS), seed=seed, dtype=random.choice(DTYPES[kind])))
            if random.random() < 0.2 and "footprint" not in options:
                words["mode"] = random.choice(MODES)
                words["cval"] = 1
        elif role == "other":
            made.append(replace(array, layout=random.choice(LAYOUTS), seed=seed))
            words = _other_window(random, len(sizes))
        elif role == "kernel":
            dtype = random.choice(DTYPES[kind])
            made.append(Recipe(dtype, sizes, random.choice(("C", "F", "reversed", "stepped")), "small", seed))
        elif role == "pixel":
            dtype = random.choice(DTYPES[kind])
            whole = random.random() < 0.5 or axes != tuple(sorted(axes))
            shape = array.shape if whole else tuple(array.shape[a] for a in axes)
            made.append(Recipe(dtype, shape, random.choice(LAYOUTS), random.choice(("small", "special")), seed))
        elif role == "index":
            made.append(random.choice(axes))
        else:
            made.append(random.choice((0, 1, 3)) if kind == "u" else random.choice((0, 2, -3, 1.5)))
    return tuple(made), words


def _other_window(random: Random, windows: int) -> dict[str, Any]:
    """Size, origin, dilation and mode of a second window."""
    sizes = tuple(random.randint(1, {1: 9, 2: 5, 3: 3, 4: 2}[windows]) for _ in range(windows))
    origin = tuple(random.randint(-(k // 2), (k - 1) // 2) for k in sizes)
    words: dict[str, Any] = {"size": sizes, "origin": origin, "dilation": random.randint(1, 2), "cval": 1}
    if random.random() < 0.5:
        words["mode"] = random.choice(MODES)
    return words


def _whole_axes(
    random: Random, options: dict[str, Any], shape: tuple[int, ...], axes: tuple[int, ...], function
) -> None:
    """Sometimes a short axis is handed over whole."""
    if "size" not in options or len(axes) < 2 or set(function.roles) - {"window", "pixel", "number"}:
        return
    if random.random() < 0.15:
        place = random.randrange(len(axes))
        others = math.prod(k for i, k in enumerate(options["size"]) if i != place)
        if shape[axes[place]] <= 6 and function.least <= others * shape[axes[place]] <= function.most:
            options["size"] = tuple(None if i == place else k for i, k in enumerate(options["size"]))


def _output(random: Random, case: Case) -> Any:
    """None, a dtype, or (dtype, layout) of an array to write to."""
    if random.random() < 0.7:
        return None
    dtype = random.choice(("float64", "float32", "float16", "uint8", "int16", "int64", "uint32"))
    return dtype if random.random() < 0.3 else (dtype, random.choice(("C", "F", "reversed", "stepped", "permuted")))
