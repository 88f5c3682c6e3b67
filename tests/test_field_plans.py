"""`ks.plan`: what it says, that its bounds hold and are close, and that its check is the definition.

Bounds are compared with the largest error at random outputs, for random fields and images, smooth and rough, with and
without a large mean. The check itself is compared with the oracle of fields, which writes every kernel out; and where a
result is wrong on purpose, the check has to notice.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import kernelscape as ks
from kernelscape.api import approximate, plans
from kernelscape.errors import ArgumentError, ArgumentTypeError, NotYetSupportedError
from kernelscape.kernels import (
    Chebyshev,
    Combination,
    Dense,
    Disc,
    Formula,
    Gaussian,
    Grid,
    Scattered,
    Separable,
)
from kernelscape.plan import Plan
from tests.oracle import fields as oracle

EXTENTS = (13, 17)
rng = np.random.default_rng(5)
IMAGE = rng.normal(size=EXTENTS)
SIGMA = rng.uniform(0, 1.4, EXTENTS)
ANGLE = rng.uniform(-3, 3, EXTENTS)
WEIGHTS = rng.normal(size=(*EXTENTS, 3, 4))
NODES = rng.normal(size=(2, 3, 4, 3))
MAPS = rng.normal(size=(2, *EXTENTS))
POINTS = rng.uniform(0, 13, (6, 2))

FIELDS = {
    "isotropic": (Gaussian(SIGMA), oracle.dense_of_gaussian(EXTENTS, SIGMA)),
    "one size": (Gaussian(SIGMA, size=(3, 4)), oracle.dense_of_gaussian(EXTENTS, SIGMA, size=(3, 4))),
    "oriented": (
        Gaussian(SIGMA + 0.3, 0.7, angle=ANGLE, size=5),
        oracle.dense_of_gaussian(EXTENTS, SIGMA + 0.3, 0.7, ANGLE, size=5),
    ),
    "disc": (Disc(2 * SIGMA), oracle.dense_of_disc(EXTENTS, 2 * SIGMA)),
    "dense": (Dense(WEIGHTS), WEIGHTS),
    "complex": (Dense(WEIGHTS + 1j * WEIGHTS[::-1]), WEIGHTS + 1j * WEIGHTS[::-1]),
    "separable": (
        Separable(WEIGHTS[..., 0], WEIGHTS[..., 1, :]),
        oracle.dense_of_separable(WEIGHTS[..., 0], WEIGHTS[..., 1, :]),
    ),
    "formula": (
        Formula(lambda dy, dx, s, x: dx * s - dy * x, (2, 3), SIGMA, ks.index(1)),
        oracle.dense_of_formula(EXTENTS, lambda dy, dx, s, x: dx * s - dy * x, (2, 3), SIGMA, oracle.Coordinate(1)),
    ),
    "grid": (
        Grid(NODES, ([2, 9], [0, 5, 16]), method="cubic"),
        oracle.dense_of_grid(EXTENTS, NODES, ([2, 9], [0, 5, 16]), "cubic"),
    ),
    "combination": (Combination(NODES[0, :2], MAPS), np.tensordot(MAPS, NODES[0, :2], (0, 0))),
    "one kernel": (NODES[0, 0], oracle.everywhere(NODES[0, 0], EXTENTS)),
}
OWN = {
    "isotropic": oracle.window_of_gaussian(EXTENTS, SIGMA),
    "disc": oracle.window_of_disc(EXTENTS, 2 * SIGMA),
}
"""Which samples take part, where windows differ in size."""
MODES = ["reflect", "mirror", "nearest", "wrap", "constant", "shrink"]
RUNS = [ks.correlate, ks.convolve]


# -- the definition ----------------------------------------------------------------------------------------------------


def defined(plan, shape):
    """All outputs by the definition that plans are checked with."""
    found = np.empty(shape, np.complex128)
    for index in np.ndindex(*shape):
        found[index] = plan._definition.at((), index)
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("name", FIELDS)
def test_the_definition_is_the_oracles(name, form, mode):
    field, kernels = FIELDS[name]
    words = {"origin": (0, -1), "dilation": (2, 1)} if name != "isotropic" else {}
    run = RUNS[len(name + mode) % 2]
    form_of = {"gather": oracle.gather, "scatter": oracle.scatter}[form]
    if form == "gather":
        words["cval"] = 1.5 if mode == "constant" else 0.0
    own = OWN.get(name)
    expected = form_of(IMAGE, kernels, mode, own=own, convolve=run is ks.convolve, **words)
    plan = ks.plan(run, IMAGE, field, form=form, mode=mode, **words)
    np.testing.assert_allclose(defined(plan, EXTENTS), expected, atol=1e-12)
    assert_right(plan)


@pytest.mark.parametrize(
    "words", [{"stride": (2, 3)}, {"padding": "valid"}, {"padding": ((1, 2), (0, 3)), "stride": 2}]
)
def test_the_definition_has_the_outputs_of_the_call(words):
    for run, name in itertools.product(RUNS, ("one size", "dense")):
        field, kernels = FIELDS[name]
        expected = oracle.gather(IMAGE, kernels, convolve=run is ks.convolve, **words)
        plan = ks.plan(run, IMAGE, field, **words)
        np.testing.assert_allclose(defined(plan, expected.shape), expected, atol=1e-12)
        assert_right(plan)


def test_normalised_filters_and_stacks():
    for mode in MODES:
        plan = ks.plan(ks.correlate, IMAGE, FIELDS["disc"][0], normalize=True, mode=mode)
        assert plan.check().error < 1e-14
        assert plan.bound == plan.promise == math.inf  # nothing is known of a quotient of sums
    stack = np.moveaxis(rng.normal(size=(3, *EXTENTS)), 0, 2)
    for form in ("gather", "scatter"):
        assert_right(ks.plan(ks.convolve, stack, FIELDS["dense"][0], axes=(0, 1), form=form))
    assert_right(ks.plan(ks.convolve, stack, np.ones((3, 3)), axes=(0, 1)))
    assert_right(ks.plan(ks.correlate, stack + 1j, FIELDS["complex"][0], axes=(0, 1)))


def assert_right(plan, samples=1000):
    """The check finds no error above the bound."""
    found = plan.check(samples)
    assert found.error <= found.bound, (found, plan.explain())
    return found


def test_a_wrong_result_is_noticed(monkeypatch):
    plan = ks.plan(ks.correlate, IMAGE, FIELDS["dense"][0])
    right = plan._computed()
    wrong = right.copy()
    wrong[5, 6] += 1e-9
    monkeypatch.setattr(plan, "_computed", lambda: wrong)
    monkeypatch.setattr(plan, "_sharp", (1e-11, "a lie"))
    found = plan.check()
    assert found.at == (5, 6)
    assert found.error == pytest.approx(1e-9, rel=1e-4)
    with pytest.raises(AssertionError):
        assert_right(plan)


def test_checks_look_at_other_outputs_for_other_seeds():
    plan = ks.plan(ks.correlate, IMAGE, FIELDS["dense"][0])
    assert plan.check(20, seed=1) == plan.check(20, seed=1)
    assert plan.check(10**6).samples == IMAGE.size
    assert plan.check(0).samples == 0
    assert len({plan.check(1, seed=seed).at for seed in range(20)}) > 5


def test_checks_look_where_results_are_large():
    image = np.zeros((300, 400))
    image[123, 321] = 1e305
    for scale in (1, 1e-300):
        plan = ks.plan(ks.correlate, image * scale, np.ones((3, 3)) / 7)
        indices = plans._some(plan.run(), 100, 0)
        assert len(set(indices.tolist())) == 100
        rows, columns = np.unravel_index(indices, image.shape)
        assert np.count_nonzero((abs(rows - 123) <= 1) & (abs(columns - 321) <= 1)) == 9
    huge = plans._some(np.full((30, 40), 1e308) * np.linspace(0.5, 1, 40), 100, 0)  # the sum is infinite
    assert len(set(huge.tolist())) == 100


def test_outputs_that_are_not_finite_are_left_out():
    image = IMAGE.copy()
    image[3, 4] = np.nan
    found = ks.plan(ks.correlate, image, FIELDS["dense"][0]).check()
    assert 0 < found.samples == IMAGE.size - 12
    assert found.error <= found.bound < 1e-11


# -- bounds ------------------------------------------------------------------------------------------------------------

LARGER = (48, 61)
YS, XS = np.mgrid[: LARGER[0], : LARGER[1]]


def images(generator):
    """Images of many kinds."""
    noise = generator.normal(size=LARGER)
    return {
        "noise": noise,
        "noise with a large mean": noise + 1000,
        "positive noise": generator.random(LARGER),
        "smooth": ndimage.gaussian_filter(noise, 4),
        "waves with a mean": np.sin(YS / generator.uniform(4, 20)) + np.cos(XS / generator.uniform(4, 20)) + 50,
        "impulses": (noise > 2.5).astype(float),
        "an edge": np.where(XS > 30, 4.0, -1.0),
        "a ramp": YS + 2.0 * XS,
    }


def random_field(kind, generator):
    """A field of some kind for larger images."""
    smooth = ndimage.gaussian_filter(generator.random(LARGER), generator.uniform(1, 8))
    sigma = generator.uniform(0.3, 1.2) + 2 * (smooth - smooth.min()) / np.ptp(smooth)
    size = (int(generator.integers(3, 12)), int(generator.integers(3, 12)))
    nodes = generator.normal(size=(2, 3, *size))
    places = [np.sort(generator.uniform(0, n, k)) for n, k in zip(LARGER, (2, 3), strict=True)]
    return {
        "isotropic": lambda: Gaussian(sigma),
        "one size": lambda: Gaussian(sigma, size=size),
        "along axes": lambda: Gaussian(sigma, generator.uniform(0.5, 2, LARGER), truncate=5),
        "not normalised": lambda: Gaussian(sigma, normalize=False),
        "grid": lambda: Grid(nodes, places, method=("linear", "nearest", "cubic")[int(generator.integers(3))]),
        "scattered": lambda: Scattered(nodes.reshape(6, *size), generator.uniform(0, 48, (6, 2))),
        "combination": lambda: Combination(nodes[0], generator.normal(size=(3, *LARGER))),
        "polynomials": lambda: Combination(nodes[0], Chebyshev(generator.normal(size=(3, 2, 3)))),
    }[kind]()


KINDS = ["isotropic", "one size", "along axes", "not normalised", "grid", "scattered", "combination", "polynomials"]


@pytest.fixture
def always(monkeypatch):
    """The cheapest inexact method runs, however long it takes."""
    monkeypatch.setattr(approximate, "GAIN", math.inf)
    monkeypatch.setattr(approximate, "LEAST", 0.0)
    monkeypatch.setattr(approximate.low_rank, "most_ranks", lambda *_: 0)


def assert_close(plan, samples=1000):
    """The bound holds and is at most 20 times the error found; below the promise, which is below the tolerance.

    An error of nothing but the last bit of a number has no bound that is close.
    """
    found = plan.check(samples, seed=9)
    assert found.error <= found.bound, (found, plan.explain())
    assert found.bound <= plan.promise * (1 + 1e-9)
    assert plan.promise <= plan.tolerance * (1 + 1e-9)
    last_bit = np.finfo(np.float64).eps * plan._choice.job.magnitude * plan._choice.job.norm
    assert found.bound <= 20 * max(found.error, last_bit), (found, plan.explain())
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_hold_and_are_close(always, kind, form, dtype):
    generator = np.random.default_rng(KINDS.index(kind))
    for seed, image in enumerate(images(generator).values()):
        field = random_field(kind, generator)
        plan = ks.plan(
            RUNS[seed % 2], image.astype(dtype), field, tol=(1e-2, 1e-3)[seed % 2], form=form,
            mode=("reflect", "wrap", "nearest", "constant")[seed % 4],
        )  # fmt: skip
        if plan.method == "exact":
            assert form == "scatter" or dtype == np.float32 or kind == "along axes", plan.explain()
            continue
        assert_close(plan, 300)


def test_a_bound_that_is_far_above_the_error_is_noticed(always):
    plan = ks.plan(ks.correlate, images(rng)["smooth"], random_field("isotropic", rng), tol=1e-2)
    plan._sharp = (plan.promise, "the promise")
    with pytest.raises(AssertionError, match="the promise"):
        assert_close(plan)


@settings(max_examples=30)
@given(st.sampled_from(KINDS), st.integers(0, 10**6), st.sampled_from(["gather", "scatter"]))
def test_bounds_hold_for_random_fields_and_images(kind, seed, form):
    generator = np.random.default_rng(seed)
    image = list(images(generator).values())[seed % 8].astype((np.float32, np.float64)[seed % 2])
    field, before = random_field(kind, generator), (approximate.GAIN, approximate.LEAST)
    try:
        approximate.GAIN, approximate.LEAST = math.inf, 0.0
        plan = ks.plan(RUNS[seed // 3 % 2], image, field, tol=10.0 ** -generator.integers(1, 5), form=form)
        if plan.method != "exact":
            assert_close(plan, 300)
    finally:
        approximate.GAIN, approximate.LEAST = before


def test_few_kernels_have_close_bounds(always, monkeypatch):
    monkeypatch.setattr(approximate.low_rank, "most_ranks", lambda *_: 60)
    generator = np.random.default_rng(3)
    field = Gaussian(generator.uniform(0.7, 1.0, LARGER), 0.8, angle=generator.uniform(0, 0.4, LARGER), size=9)
    for image, dtype in itertools.product(images(generator).values(), (np.float64, np.float32)):
        plan = ks.plan(ks.correlate, image.astype(dtype), field, tol=1e-2)
        assert plan.method == "low_rank"
        assert_close(plan, 300)


@pytest.mark.parametrize("name", ["isotropic", "dense", "grid", "complex"])
def test_exact_plans_bound_rounding(name):
    for form, dtype in itertools.product(("gather", "scatter"), ("f4", "f8")):
        plan = ks.plan(ks.correlate, IMAGE.astype(dtype), FIELDS[name][0], form=form)
        assert plan.method == "exact"
        found = assert_right(plan)
        assert found.bound <= plan.promise
        if dtype == "f4" and name != "complex":
            assert found.bound <= 20 * found.error


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("along", [0, 1])
def test_polynomials_of_a_high_degree_repeat_the_rounding_of_positions(always, along, form, dtype):
    coefficients = np.moveaxis(np.zeros((1, 40, 1)), 1, 1 + along)
    coefficients[0, -1, -1] = 1
    field = Combination(np.ones((1, 1, 1)), Chebyshev(coefficients))
    image = (rng.random((3, 70) if along else (70, 3)) + 1).astype(dtype)
    for tol in (None, 1e-9):
        plan = ks.plan(ks.correlate, image, field, form=form, tol=tol)
        found = assert_right(plan, 10**5)
        assert found.error > 30 * np.finfo(dtype).eps or plan.method != "exact"
        assert found.bound <= plan.promise * (1 + 1e-9)


# -- plans -------------------------------------------------------------------------------------------------------------


def test_a_plan_runs_what_the_call_runs():
    generator = np.random.default_rng(8)
    image = generator.random((300, 310), dtype=np.float32)
    sigma = np.linspace(1, 10, image.size).reshape(image.shape)
    for words in ({}, {"form": "scatter"}, {"tol": None}, {"mode": "constant", "cval": 2, "stride": 3}):
        words = {"tol": 1e-2, **words}
        plan = ks.plan(ks.convolve, image, Gaussian(sigma), **words)
        found = plan.run()
        np.testing.assert_array_equal(found, ks.convolve(image, Gaussian(sigma), **words))
        np.testing.assert_array_equal(found, plan.run(workers=1))
        target = np.empty(found.shape)
        assert plan.run(output=target) is target
        np.testing.assert_array_equal(target, found)
    assert ks.plan(ks.convolve, image, Gaussian(sigma), tol=1e-2, output=np.float16).run().dtype == np.float16


def test_explanations():
    image = np.random.default_rng(8).random((256, 300), dtype=np.float32)
    sigma = np.linspace(1, 10, image.size).reshape(image.shape)
    plan = ks.plan(ks.correlate, image, Gaussian(sigma), tol=1e-2)
    lines = plan.explain().splitlines()
    assert repr(plan) == "<FilterPlan of correlate: log_sigma>"
    assert lines[0] == "filter: correlate, gather"
    assert lines[1] == "image: 256 x 300, float32, computed in float32"
    assert lines[2] == "kernels: Gaussian(sigma=<float64 256x300>, size=81x81)"
    assert lines[3].startswith("method: log_sigma (10 blurs of the image, blended by each pixel's sigma), about ")
    assert lines[4].startswith("next best: exact (every kernel of 81x81 samples), about ")
    assert "not product_convolution: the field is no sum of few kernels" in lines
    assert "which is tol=0.01 of the largest output" in plan.explain()
    assert lines[-1].startswith("promise: error at most ")
    assert "from sums of differences between kernels" in lines[-1]
    assert plan.bound <= plan.promise
    assert plan.explain().splitlines()[-1].startswith(f"bound: error at most {plan.bound:.3g} for this image, from ")
    exact = ks.plan(ks.correlate, image, Gaussian(sigma))
    assert "method: exact (no tolerance was given)" in exact.explain()
    assert "from rounding of sums in the worst case" in exact.explain()
    assert exact.tolerance == 0.0


def test_apply_has_the_plans_of_stencils():
    plan = ks.plan(ks.apply, lambda w: np.sum(w), IMAGE, size=3, mode="wrap", output=np.float32, workers=1)
    assert isinstance(plan, Plan)
    assert plan.explain() == ks.stencil(lambda w: np.sum(w), size=3, mode="wrap").plan(IMAGE, output="f4").explain()


def test_the_module_and_the_function_have_one_name():
    import kernelscape.plan
    from kernelscape import plan

    assert plan is plans.plan is ks.plan is kernelscape.plan
    assert "plan" in dir(ks)


@pytest.mark.parametrize(
    ("arguments", "words", "error", "text"),
    [
        ((np.sum, IMAGE), {}, ArgumentError, "plan.. is for correlate, convolve and apply"),
        ((ks.correlate,), {}, ArgumentTypeError, "needs the arguments of that call"),
        ((ks.correlate, IMAGE, np.ones((3, 3)), 3), {}, ArgumentTypeError, "needs the arguments of that call"),
        (
            (ks.correlate, IMAGE, np.ones((3, 3))),
            {"tolerance": 1},
            ArgumentTypeError,
            "no keyword argument 'tolerance'",
        ),
        ((ks.correlate, IMAGE, np.ones((3, 3))), {"progress": print}, NotYetSupportedError, "progress"),
        ((ks.correlate, IMAGE, np.ones((3, 3))), {"form": "sideways"}, ArgumentError, "Unknown form"),
        ((ks.correlate, IMAGE, Gaussian(np.ones((3, 3)))), {}, ArgumentError, "maps of shape"),
    ],
)
def test_plans_refuse_what_calls_refuse(arguments, words, error, text):
    with pytest.raises(error, match=text):
        ks.plan(*arguments, **words)


def test_checks_refuse_what_they_cannot_do():
    plan = ks.plan(ks.correlate, IMAGE, FIELDS["disc"][0], normalize=True, form="scatter")
    with pytest.raises(NotYetSupportedError, match="normalised scatter"):
        plan.check()
    for words in ({"samples": -1}, {"samples": 2.5}, {"seed": True}):
        with pytest.raises(ArgumentError, match="must be an integer, and not negative"):
            ks.plan(ks.correlate, IMAGE, FIELDS["disc"][0]).check(**words)
