"""Halide's side of the table: the jobs as a Halide user would write them, with several schedules, the fastest kept.

Borders come from Halide's own `mirror_image`, and the target is the machine itself (AVX-512 where it has it). Small
windows are unrolled; large ones run over a reduction domain, whose sums stay in registers. The schedules tried are
those that pay for stencils on a CPU: parallel strips of rows, whole vectors in x, register tiles, the bordered input
(or the column-wise part of a reduction) computed once per strip instead of at each tap.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import halide as hl
import numpy as np

from benchmarks.harness import Array, Run, clock

F32 = hl.Float(32)
TYPES = {"uint8": hl.UInt(8), "uint16": hl.UInt(16), "float32": F32, "float64": hl.Float(64)}

UNROLLED = 7
"""The largest window that is unrolled."""


@dataclass(frozen=True)
class Schedule:
    """How the output is walked, and which stages get their own storage."""

    strip: int
    rows: int
    vectors: int
    store: tuple[str, ...]  # names of the stages computed once per strip; the others are inlined

    def __str__(self) -> str:
        stored = f", {'+'.join(self.store)} per strip" if self.store else ""
        return f"strips of {self.strip}, tile {self.rows} rows x {self.vectors} vectors{stored}"


@dataclass(frozen=True)
class Pipeline:
    """A pipeline before scheduling.

    Attributes
    ----------
    output, parameters, element
        What is computed, from what; of which type both are.
    stages
        Those that a schedule may store, consumers after producers.
    loops
        Reductions over a domain: each stays in the registers of a tile of the output.
    unrolls
        Whether a column of the domain is unrolled, so that rows that are loaded serve all rows of a tile.
    """

    output: "hl.Func"
    stages: dict[str, "hl.Func"]
    parameters: Sequence["hl.ImageParam"]
    element: "hl.Type" = field(default_factory=lambda: F32)
    loops: Sequence[tuple["hl.Func", "hl.RDom"]] = ()
    unrolls: bool = True


x, y = hl.Var("x"), hl.Var("y")


def number(value: float, element: "hl.Type") -> "hl.Expr":
    """A constant of a type; Halide reads a bare number as float32."""
    return hl.f64(float(value)) if element == TYPES["float64"] else hl.f32(float(value))


def total(terms: Sequence["hl.Expr"]) -> "hl.Expr":
    return functools.reduce(lambda a, b: a + b, terms)


def greatest(terms: Sequence["hl.Expr"]) -> "hl.Expr":
    return functools.reduce(hl.max, terms)


def taps(side: int) -> list[tuple[int, int]]:
    return [(i, j) for j in range(side) for i in range(side)]


def inputs(number: int, element: "hl.Type" = F32) -> tuple[list["hl.ImageParam"], list["hl.Func"]]:
    parameters = [hl.ImageParam(element, 2, f"input{n}") for n in range(number)]
    bordered = []
    for n, parameter in enumerate(parameters):
        func = hl.Func(f"bordered{n}")
        func[x, y] = hl.BoundaryConditions.mirror_image(parameter)[x, y]
        bordered.append(func)
    return parameters, bordered


def of_products(
    name: str,
    side: int,
    fold: Callable[..., "hl.Expr"],
    start: float,
    *,
    constants: Array | None = None,
    looped: bool = False,
    element: "hl.Type" = F32,
) -> Pipeline:
    """A fold of w*k, with the kernel as data or as constants of the program; `looped` is over a reduction domain."""
    (image,), (window,) = inputs(1, element)
    kernel = hl.ImageParam(element, 2, "kernel")
    output, centre = hl.Func(name), side // 2
    parameters = [image, kernel] if constants is None else [image]
    if not looped:
        weights = {(i, j): kernel[i, j] if constants is None else hl.f32(float(constants[j, i])) for i, j in taps(side)}
        terms = [window[x + i - centre, y + j - centre] * weights[i, j] for i, j in taps(side)]
        output[x, y] = functools.reduce(fold, terms)
        return Pipeline(output, {"border": window}, parameters, element)
    folded, domain = hl.Func("folded"), hl.RDom([(0, side), (0, side)])
    folded[x, y] = number(start, element)
    product = window[x + domain.x - centre, y + domain.y - centre] * kernel[domain.x, domain.y]
    folded[x, y] = fold(folded[x, y], product)
    output[x, y] = folded[x, y]
    return Pipeline(output, {"border": window}, parameters, element, [(folded, domain)])


def correlation(side: int, **settings: object) -> Pipeline:
    return of_products("correlation", side, lambda a, b: a + b, 0.0, **settings)


def max_product(side: int, **settings: object) -> Pipeline:
    """max(w*k)"""
    return of_products("max_product", side, hl.max, -np.inf, **settings)


def separable(
    fold: Callable[[Sequence["hl.Expr"]], "hl.Expr"], weights: Sequence[float], element: "hl.Type" = F32
) -> Pipeline:
    """A fold of the window's columns, then of those along the row; weights of 1 are left out."""
    parameters, (window,) = inputs(1, element)
    columns, output = hl.Func("columns"), hl.Func("separable")

    def weighted(value: "hl.Expr", weight: float) -> "hl.Expr":
        return value if weight == 1 else value * number(weight, element)

    offsets = [(i - len(weights) // 2, weight) for i, weight in enumerate(weights)]
    columns[x, y] = fold([weighted(window[x, y + i], weight) for i, weight in offsets])
    output[x, y] = fold([weighted(columns[x + i, y], weight) for i, weight in offsets])
    return Pipeline(output, {"border": window, "columns": columns}, parameters, element)


def difference_of_squares(side: int, separable: bool) -> Pipeline:
    """sum(A² - B²); all taps at once, or columns first and then rows (the sum's order differs, nothing else)."""
    parameters, (a, b) = inputs(2)
    difference, columns, output = hl.Func("difference"), hl.Func("columns"), hl.Func("difference_of_squares")
    difference[x, y] = a[x, y] * a[x, y] - b[x, y] * b[x, y]
    centre = side // 2
    if separable:
        columns[x, y] = total([difference[x, y + j - centre] for j in range(side)])
        output[x, y] = total([columns[x + i - centre, y] for i in range(side)])
        return Pipeline(output, {"difference": difference, "columns": columns}, parameters)
    output[x, y] = total([difference[x + i - centre, y + j - centre] for i, j in taps(side)])
    return Pipeline(output, {"difference": difference}, parameters)


def local_std(side: int, one_pass: bool, separable: bool) -> Pipeline:
    """sqrt(mean((w - mean)²)), as NumPy has it; `one_pass` is E[w²] - E[w]², which cancels where the mean is large."""
    parameters, (window,) = inputs(1)
    output, mean, columns = hl.Func("local_std"), hl.Func("mean"), hl.Func("columns")
    scale, centre = hl.f32(1.0 / side**2), side // 2
    values = [window[x + i - centre, y + j - centre] for i, j in taps(side)]
    if not one_pass:
        mean[x, y] = total(values) * scale
        output[x, y] = hl.sqrt(total([(v - mean[x, y]) * (v - mean[x, y]) for v in values]) * scale)
        return Pipeline(output, {"border": window, "mean": mean}, parameters)
    if not separable:
        average = total(values) * scale
        output[x, y] = hl.sqrt(hl.max(total([v * v for v in values]) * scale - average * average, hl.f32(0.0)))
        return Pipeline(output, {"border": window}, parameters)
    squares = hl.Func("squares")
    columns[x, y] = total([window[x, y + j - centre] for j in range(side)])
    squares[x, y] = total([window[x, y + j - centre] * window[x, y + j - centre] for j in range(side)])
    average = total([columns[x + i - centre, y] for i in range(side)]) * scale
    power = total([squares[x + i - centre, y] for i in range(side)]) * scale
    output[x, y] = hl.sqrt(hl.max(power - average * average, hl.f32(0.0)))
    return Pipeline(output, {"border": window, "columns": columns, "squares": squares}, parameters)


def looped_std(side: int) -> Pipeline:
    """The same in two passes, the second as a loop over the window, and the mean from its columns."""
    parameters, (window,) = inputs(1)
    output, mean, columns, squares = (hl.Func(name) for name in ("looped_std", "mean", "columns", "squares"))
    scale, centre = hl.f32(1.0 / side**2), side // 2
    columns[x, y] = total([window[x, y + j - centre] for j in range(side)])
    mean[x, y] = total([columns[x + i - centre, y] for i in range(side)]) * scale
    domain = hl.RDom([(0, side), (0, side)])
    difference = window[x + domain.x - centre, y + domain.y - centre] - mean[x, y]
    squares[x, y] = hl.f32(0.0)
    squares[x, y] = squares[x, y] + difference * difference
    output[x, y] = hl.sqrt(squares[x, y] * scale)
    stages = {"border": window, "columns": columns, "mean": mean}
    return Pipeline(output, stages, parameters, F32, [(squares, domain)])


def looped_bilateral(side: int, sharpness: float) -> Pipeline:
    """The bilateral filter as a loop over the window, its spatial kernel as data."""
    (image,), (window,) = inputs(1)
    spatial = hl.ImageParam(F32, 2, "spatial")
    output, sums = hl.Func("looped_bilateral"), hl.Func("sums")
    domain = hl.RDom([(0, side), (0, side)])
    value = window[x + domain.x - side // 2, y + domain.y - side // 2]
    distance = value - window[x, y]
    weight = spatial[domain.x, domain.y] * hl.exp(-(distance * distance) * hl.f32(sharpness))
    sums[x, y] = (hl.f32(0.0), hl.f32(0.0))
    sums[x, y] = (sums[x, y][0] + weight * value, sums[x, y][1] + weight)
    output[x, y] = sums[x, y][0] / sums[x, y][1]
    return Pipeline(output, {"border": window}, [image, spatial], F32, [(sums, domain)], unrolls=False)


def bilateral(spatial: Array, sharpness: float, exponential: Callable[["hl.Expr"], "hl.Expr"]) -> Pipeline:
    """sum(w g e) / sum(g e) with e = exp(-(w - centre)² c); the spatial kernel g is constant."""
    parameters, (window,) = inputs(1)
    output, side = hl.Func("bilateral"), len(spatial)
    weighted, weights = [], []
    for i, j in taps(side):
        value = window[x + i - side // 2, y + j - side // 2]
        distance = value - window[x, y]
        weight = hl.f32(float(spatial[j, i])) * exponential(-(distance * distance) * hl.f32(sharpness))
        weights.append(weight)
        weighted.append(weight * value)
    output[x, y] = total(weighted) / total(weights)
    return Pipeline(output, {"border": window}, parameters)


def compile_with(pipeline: Pipeline, schedule: Schedule) -> "hl.Func":
    target = hl.get_host_target()
    lanes = target.natural_vector_size(pipeline.element)
    strips, rows, xi, yi = hl.Var("strips"), hl.Var("rows"), hl.Var("xi"), hl.Var("yi")
    output = pipeline.output
    output.split(y, strips, rows, schedule.strip).parallel(strips)
    output.tile(x, rows, x, rows, xi, yi, lanes * schedule.vectors, schedule.rows)
    output.vectorize(xi, lanes).unroll(xi).unroll(yi)
    for name in schedule.store:
        pipeline.stages[name].compute_at(output, strips).vectorize(x, lanes)
    for func, domain in pipeline.loops:
        func.compute_at(output, x).vectorize(x, lanes).unroll(x).unroll(y)
        update = func.update().reorder(x, y, domain.y, domain.x).vectorize(x, lanes).unroll(x).unroll(y)
        if pipeline.unrolls:
            update.unroll(domain.y)
    output.compile_jit(target)
    return output


def schedules_for(pipeline: Pipeline, thorough: bool) -> list[Schedule]:
    """The schedules to be tried; without `thorough` the few that have won before."""
    stages = list(pipeline.stages)
    if pipeline.loops:
        tiles = ((4, 2), (4, 3), (8, 2)) if pipeline.unrolls else ((1, 2), (2, 1), (2, 2))
        return [Schedule(32, rows, vectors, tuple(stages)) for rows, vectors in tiles]
    if not thorough:
        return [Schedule(32, rows, vectors, tuple(stages)) for rows, vectors in ((1, 2), (2, 1), (4, 1))]
    stores = [tuple(stages[:number]) for number in range(len(stages), -1, -1)]
    if len(stages) > 1:
        stores.append((stages[-1],))
    tiles = [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1)]
    return [Schedule(32, rows, vectors, store) for store in stores for rows, vectors in tiles]


@dataclass
class Search:
    """The fastest of all variants and schedules for a job, found once per image size and then kept."""

    variants: dict[str, Callable[[], Pipeline]]
    thorough: bool = True
    found: dict[tuple[int, ...], tuple[str, Callable[[], Pipeline], Schedule]] = field(default_factory=dict)

    def contestant(self, *arrays: Array) -> Run:
        """Prepare the job: search for the schedule if this size is new (small images take the first that works)."""
        shape = arrays[0].shape
        if shape not in self.found:
            self.found[shape] = self.search(arrays)
        label, make, schedule = self.found[shape]
        return runner(make(), schedule, arrays, f"{label}: {schedule}")

    def search(self, arrays: Sequence[Array]) -> tuple[str, Callable[[], Pipeline], Schedule]:
        best, fastest = float("inf"), None
        for label, make in self.variants.items():
            for schedule in schedules_for(make(), self.thorough):
                if fastest is not None and arrays[0].size < 2**18:
                    continue
                run = runner(make(), schedule, arrays, label)
                run()
                seconds = min(clock(run) for _ in range(12 if self.thorough else 4))
                if seconds < best:
                    best, fastest = seconds, (label, make, schedule)
        assert fastest is not None
        return fastest


def runner(pipeline: Pipeline, schedule: Schedule, arrays: Sequence[Array], detail: str) -> Run:
    lanes = hl.get_host_target().natural_vector_size(pipeline.element)
    fitting = replace(schedule, vectors=max(1, min(schedule.vectors, arrays[0].shape[1] // lanes)))
    func = compile_with(pipeline, fitting)
    for parameter, array in zip(pipeline.parameters, arrays, strict=False):  # a constant kernel has no parameter
        parameter.set(hl.Buffer(array))
    result = np.empty_like(arrays[0])
    buffer = hl.Buffer(result)

    def run(kept: Sequence[Array] = arrays) -> Array:  # a Halide buffer does not keep its array alive
        func.realize(buffer)
        return result

    return Run(run, detail)
