"""`tol=` in `correlate` and `convolve`: each inexact method against the exact one, and when which of them runs.

The methods are taken on images on which they would not pay, by setting what they may cost. Compared is the result with
that of the exact method in float64 (which `test_api_fields.py` and the conformance tests compare with the definition),
within what the method promised; that promises are kept within the tolerance; and, of the parts that certify errors,
what they say with kernels written out at many sigmas. What is not compared is how much time a method takes.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kernelscape as ks
from kernelscape.api import approximate
from kernelscape.api.blocks import Surroundings, tiles
from kernelscape.errors import ShapeError
from kernelscape.kernels import Chebyshev, Combination, Dense, Disc, Gaussian, Grid, Scattered
from kernelscape.methods import costs, gaussian_nodes
from kernelscape.methods.gaussian_nodes import Family, lagrange
from kernelscape.methods.log_sigma import SPLITS, Task, along_axes, isotropic
from kernelscape.methods.product_convolution import terms_of

EXTENTS = (41, 53)
rng = np.random.default_rng(11)
IMAGE = rng.normal(size=EXTENTS) + 3
SIGMA = rng.uniform(0.7, 2.2, EXTENTS)
FROM_ZERO = rng.uniform(0, 2.2, EXTENTS)
NODES = rng.normal(size=(3, 2, 6, 5))
POSITIONS = ([3, 20, 33], [5, 40])

BLURRED = {
    "isotropic": Gaussian(SIGMA),
    "from zero": Gaussian(FROM_ZERO),
    "one size": Gaussian(SIGMA, size=(10, 11)),
    "not normalised": Gaussian(SIGMA, normalize=False),
    "a float32 map": Gaussian(SIGMA.astype("f4")),
}
ALONG_AXES = {
    "two maps": Gaussian(SIGMA, FROM_ZERO),
    "map and number": Gaussian(SIGMA, 1.3, truncate=5),
    "number and map": Gaussian(0.0, SIGMA, size=9),
}
TERMS = {
    "grid": Grid(NODES, POSITIONS),
    "cubic": Grid(NODES, POSITIONS, method="cubic"),
    "nearest": Grid(NODES, POSITIONS, method="nearest"),
    "scattered": Scattered(NODES.reshape(6, 6, 5), rng.uniform(0, 41, (6, 2))),
    "combination": Combination(NODES[0], rng.normal(size=(2, *EXTENTS))),
    "polynomials": Combination(NODES[0], Chebyshev(rng.normal(size=(2, 3, 2)))),
}
ALL = {**BLURRED, **ALONG_AXES, **TERMS}
MODES = ["reflect", "mirror", "nearest", "wrap", "constant", "shrink"]
RUNS = [ks.correlate, ks.convolve]
WORDS = [
    {},
    {"origin": (1, -1), "dilation": (2, 1)},
    {"stride": (2, 3)},
    {"padding": "valid", "stride": 2},
    {"padding": ((1, 0), (0, 2))},
]


@pytest.fixture
def always(monkeypatch):
    """The cheapest inexact method runs, however long it takes; but for the one that has tests of its own."""
    monkeypatch.setattr(approximate, "GAIN", math.inf)
    monkeypatch.setattr(approximate, "LEAST", 0.0)
    monkeypatch.setattr(approximate.low_rank, "most_ranks", lambda *_: 0)


def assert_kept(run, image, field, tol, *, method=None, **words):
    """The result differs from the exact one by no more than the plan promises, and that is within the tolerance."""
    plan = ks.plan(run, image, field, tol=tol, **words)
    assert method is None or plan.method == method, plan.explain()
    assert plan.method != "exact", plan.explain()
    assert plan.promise <= plan.tolerance * (1 + 1e-9)
    found = run(image, field, tol=tol, **words)
    exact = run(np.asarray(image, np.float64), field, **words)
    assert found.shape == exact.shape
    assert found.dtype == run(image, field, **words).dtype
    distance = np.abs(found - exact).max()
    assert distance <= plan.promise + 1e-13 * np.abs(exact).max()
    return distance


@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("run", RUNS, ids=["correlate", "convolve"])
@pytest.mark.parametrize("name", ALL)
def test_errors_are_within_the_promise(always, name, run, form):
    if form == "scatter" and name in ALONG_AXES:
        assert ks.plan(run, IMAGE, ALL[name], tol=1e-2, form=form).method == "exact"
        return
    method = "product_convolution" if name in TERMS else "log_sigma"
    for tol in (1e-2, 1e-3):
        assert_kept(run, IMAGE, ALL[name], tol, form=form, method=method)
    assert_kept(run, IMAGE.astype("f4"), ALL[name], 1e-2, form=form, method=method)


@pytest.mark.parametrize("words", WORDS, ids=str)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["from zero", "one size", "grid"])
def test_every_mode_and_geometry(always, name, mode, words):
    method = "product_convolution" if name in TERMS else "log_sigma"
    for run, form in itertools.product(RUNS, ["gather", "scatter"]):
        more = {"cval": 2.5} if mode == "constant" and form == "gather" else {}
        if form == "scatter" and "padding" in words and words["padding"] != "valid":
            continue  # a scatter has no outputs outside of the image
        if mode == "shrink" and (words.get("padding", "same") not in ("same", "valid") or "origin" in words):
            continue  # some outputs are invalid
        assert_kept(run, IMAGE, ALL[name], 1e-2, form=form, mode=mode, method=method, **words, **more)


@pytest.mark.parametrize("modes", [("wrap", "constant"), ("shrink", "nearest"), ("constant", "shrink")])
@pytest.mark.parametrize("name", ["isotropic", "grid"])
def test_modes_may_differ_from_axis_to_axis(always, name, modes):
    for form in ("gather", "scatter"):
        more = {"cval": 2.5} if form == "gather" else {}
        assert_kept(ks.correlate, IMAGE, ALL[name], 1e-2, form=form, mode=modes, **more)


def test_full_padding_is_blurred_too(always):
    assert_kept(ks.correlate, IMAGE, BLURRED["one size"], 1e-3, padding="full", method="log_sigma")
    assert ks.plan(ks.correlate, IMAGE, TERMS["grid"], padding="full", tol=1e-3).method == "exact"


def test_windows_larger_than_the_image(always):
    image, sigma = IMAGE[:7, :6], SIGMA[:7, :6]
    for mode, form in itertools.product(MODES, ["gather", "scatter"]):
        assert_kept(ks.convolve, image, Gaussian(sigma, size=17), 1e-2, mode=mode, form=form)


@pytest.mark.parametrize("name", ["from zero", "grid"])
@pytest.mark.parametrize("form", ["gather", "scatter"])
def test_stacks_of_images(always, name, form):
    stack = np.random.default_rng(1).normal(size=(2, 41, 3, 53))
    distance = assert_kept(ks.convolve, stack, ALL[name], 1e-3, axes=(1, 3), form=form)
    single = ks.convolve(stack[1, :, 2], ALL[name], tol=1e-3, form=form)
    together = ks.convolve(stack, ALL[name], tol=1e-3, form=form, axes=(1, 3))[1, :, 2]
    assert np.abs(single - together).max() <= 2 * distance + 1e-12


@pytest.mark.parametrize("extents", [(200,), (9, 10, 11)])
def test_other_numbers_of_axes(always, extents):
    generator = np.random.default_rng(2)
    image, sigma = generator.normal(size=extents), generator.uniform(0.4, 1.5, extents)
    for form in ("gather", "scatter"):
        assert_kept(ks.correlate, image, Gaussian(sigma), 1e-2, form=form, method="log_sigma")
    nodes = [2] * len(extents)
    grid = Grid(generator.normal(size=(*nodes, *nodes)), [[1, n - 3] for n in extents])
    for form in ("gather", "scatter"):
        assert_kept(ks.correlate, image, grid, 1e-3, form=form, method="product_convolution")


@pytest.mark.parametrize("dtype", ["u1", "i4", "?", "f2", ">f4"])
def test_images_of_other_dtypes(always, dtype):
    image = np.random.default_rng(3).integers(0, 2 if dtype == "?" else 200, EXTENTS).astype(dtype)
    for name in ("a float32 map", "grid"):
        plan = ks.plan(ks.correlate, image, ALL[name], tol=1e-2)
        assert plan.method != "exact"
        found, same = plan.run(), ks.correlate(image, ALL[name])
        assert found.dtype == same.dtype
        rounding = 1e-3 if dtype == "f2" else 0.0
        exact = ks.correlate(image.astype("f8"), ALL[name])
        assert np.abs(found - exact).max() <= plan.promise + rounding * np.abs(exact).max()


def test_outputs_and_dtypes_are_those_of_the_exact_method(always):
    field = BLURRED["isotropic"]
    target = np.empty(EXTENTS, "f4")
    found = ks.correlate(IMAGE, field, tol=1e-2, output=target)
    assert found is target
    np.testing.assert_array_equal(target, ks.correlate(IMAGE, field, tol=1e-2).astype("f4"))
    rounded = ks.correlate(IMAGE * 50, field, tol=1e-2, output=np.uint8)
    np.testing.assert_array_equal(rounded, np.rint(ks.correlate(IMAGE * 50, field, tol=1e-2)).clip(0, 255))
    image = IMAGE.copy()
    ks.correlate(image, field, tol=1e-2, output=image)
    np.testing.assert_array_equal(image, ks.correlate(IMAGE, field, tol=1e-2))
    assert ks.correlate(IMAGE.astype("f4"), field, tol=1e-2, accumulate="f8").dtype == np.float32
    with pytest.raises(ShapeError, match="result's shape"):
        ks.correlate(IMAGE, field, tol=1e-2, output=np.empty((3, 3)))


@pytest.mark.parametrize("name", ["from zero", "two maps", "grid", "polynomials"])
def test_bitwise_the_same_for_any_number_of_workers(always, name):
    for form in ("gather",) if name in ALONG_AXES else ("gather", "scatter"):
        one, *others = [ks.convolve(IMAGE, ALL[name], tol=1e-3, form=form, workers=n) for n in (1, 2, 3)]
        for other in others:
            np.testing.assert_array_equal(one, other)


def test_strips_do_not_show(always, monkeypatch):
    from kernelscape.api import blurs

    whole = ks.correlate(IMAGE, BLURRED["isotropic"], tol=1e-3)
    monkeypatch.setattr(blurs, "STRIP_BYTES", 1)
    assert len(list(tiles(EXTENTS, (9, 60)))) == 5
    np.testing.assert_array_equal(whole, ks.correlate(IMAGE, BLURRED["isotropic"], tol=1e-3))


# -- when the exact method runs ----------------------------------------------------------------------------------------


def test_nothing_inexact_runs_without_a_tolerance(always, monkeypatch):
    def refused(*_):
        raise AssertionError("an inexact method was asked for")

    monkeypatch.setattr(approximate, "run_approximately", refused)
    ks.correlate(IMAGE, BLURRED["isotropic"])
    ks.correlate(IMAGE, np.ones((3, 3)))
    with pytest.raises(AssertionError, match="asked for"):
        ks.correlate(IMAGE, BLURRED["isotropic"], tol=1e-2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["isotropic", "grid"])
def test_what_is_not_finite_is_left_to_the_exact_method(always, name, bad):
    image = IMAGE.copy()
    image[7, 9] = bad
    plan = ks.plan(ks.correlate, image, ALL[name], tol=1e-2)
    assert plan.method == "exact"
    assert "NaN or infinities" in plan.explain()
    np.testing.assert_array_equal(plan.run(), ks.correlate(image, ALL[name]))
    np.testing.assert_array_equal(ks.correlate(image, ALL[name], tol=1e-2), ks.correlate(image, ALL[name]))
    nodes = NODES.copy()
    nodes[0, 0, 1, 1] = bad
    field = Grid(nodes, POSITIONS)
    np.testing.assert_array_equal(ks.correlate(IMAGE, field, tol=1e-2), ks.correlate(IMAGE, field))
    constant = ks.plan(ks.correlate, IMAGE, ALL[name], tol=1e-2, mode="constant", cval=bad)
    assert constant.method == "exact"


@pytest.mark.parametrize(
    ("field", "image", "words", "why"),
    [
        ("isotropic", IMAGE + 1j, {}, "inexact methods give real numbers"),
        ("isotropic", IMAGE, {"normalize": True}, "normalize=True divides"),
        ("isotropic", IMAGE, {"min_count": 2}, "min_count"),
        ("isotropic", IMAGE, {"tol": None}, "no tolerance"),
        ("isotropic", IMAGE, {"mode": "shrink", "padding": "full"}, "outside of the image"),
        ("isotropic", IMAGE, {"mode": "shrink", "origin": (1, 0)}, "windows that are moved off their pixels"),
        (np.ones((3, 3)), IMAGE, {}, "it takes no longer than choosing another method"),
        ("isotropic", IMAGE, {"tol": 1e-15}, "no blurs keep tol=1e-15"),
        ("grid", IMAGE.astype("f4"), {"tol": 1e-9}, "rounding forbids tol=1e-09"),
    ],
)
def test_plans_say_why_the_exact_method_runs(always, field, image, words, why):
    field = ALL[field] if isinstance(field, str) else field
    words = {"tol": 1e-2, **words}
    plan = ks.plan(ks.correlate, image, field, **words)
    assert plan.method == "exact"
    assert why in plan.explain()
    np.testing.assert_array_equal(ks.correlate(image, field, **words), plan.run())
    np.testing.assert_array_equal(plan.run(), ks.correlate(image, field, **{**words, "tol": None}))


def test_small_images_are_left_alone():
    plan = ks.plan(ks.correlate, IMAGE, BLURRED["isotropic"], tol=1e-2)
    assert plan.method == "exact"
    assert "no longer than choosing" in plan.explain()


def test_large_kernels_pay_and_small_ones_do_not():
    image = np.zeros((512, 512), "f4")
    wide, narrow = np.linspace(1, 12, image.size), np.linspace(0.5, 1.0, image.size)
    methods = {
        name: ks.plan(ks.correlate, image, Gaussian(sigma.reshape(image.shape)), tol=1e-2).method
        for name, sigma in (("wide", wide), ("narrow", narrow))
    }
    assert methods == {"wide": "log_sigma", "narrow": "exact"}
    nodes = (np.linspace(0, 511, 4),) * 2
    assert ks.plan(ks.correlate, image, Grid(np.ones((4, 4, 95, 95), "f4"), nodes), tol=1e-2).method != "exact"
    assert ks.plan(ks.correlate, image, Grid(np.ones((4, 4, 15, 15), "f4"), nodes), tol=1e-2).method == "exact"


def test_costs_grow_with_all_that_is_done():
    bound = BLURRED["isotropic"].bound(EXTENTS)
    single = np.dtype("f4")
    assert costs.exact(bound, 10**6, single) < costs.exact(bound, 2 * 10**6, single)
    assert costs.exact(bound, 10**6, single) < costs.exact(bound, 10**6, np.dtype("f8"))
    assert costs.exact(bound, 10**6, single) < costs.exact(bound, 10**6, single, scattered=True)
    for field in (*ALL.values(), Dense(np.ones((*EXTENTS, 3, 3))), Disc(SIGMA)):
        assert 0 < costs.exact(field.bound(EXTENTS), 10**6, single) < math.inf


# -- low rank ----------------------------------------------------------------------------------------------------------


def test_stacks_of_many_images_get_few_kernels(monkeypatch):
    monkeypatch.setattr(approximate, "LEAST", 0.0)
    generator = np.random.default_rng(4)
    sigma = generator.uniform(0.7, 1.0, (12, 13))
    field = Gaussian(sigma, 0.8, angle=sigma, size=9)
    stack = generator.normal(size=(400, 12, 13))
    assert ks.plan(ks.correlate, stack[:1], field, axes=(1, 2), tol=1e-2).method == "exact"
    assert_kept(ks.correlate, stack, field, 1e-2, axes=(1, 2), method="low_rank")
    assert_kept(ks.convolve, stack, field, 1e-2, axes=(1, 2), mode="constant", cval=1.5, stride=2, method="low_rank")
    assert ks.plan(ks.correlate, stack, field, axes=(1, 2), tol=1e-2, form="scatter").method == "exact"
    few = Dense(generator.normal(size=(12, 13, 2, 2)))
    assert "below what rounding allows" in ks.plan(ks.correlate, stack, few, axes=(1, 2), tol=1e-17).explain()


# -- what the methods certify ------------------------------------------------------------------------------------------

FAMILIES = [
    Family((12, 12), (False, False), 4.0, True),
    Family((12, 9), (False, True), None, True),
    Family((12,), (True,), None, False),
    Family((5, 5, 5), (False,) * 3, 3.0, False),
]


def kernel_of(family, sigma):
    """The kernel of a pixel, for offsets from 0 on; with the window that the pixel has."""
    own = family.cut(family.radius(sigma))
    found = np.zeros(family.shape)
    found[tuple(slice(0, n) for n in own.shape)] = own.kernels(np.array([sigma]))[0].reshape(own.shape)
    return found.ravel()


def interpolated(piece, sigma):
    """What the nodes of a piece make of a sigma."""
    t = np.clip((math.log(sigma) - piece.middle) / piece.half, -1, 1)
    nodes = gaussian_nodes._embedded(piece.family, list(piece.blurs))
    if len(piece.places) == 1:
        return nodes[0]
    exact = np.flatnonzero(np.abs(piece.places - t) < 1e-12)
    weights = np.eye(len(nodes))[exact[0]] if exact.size else lagrange(piece.places, np.array([t]))[0][0]
    np.testing.assert_allclose(weights.sum(), 1, atol=1e-9)
    assert np.abs(weights).sum() <= piece.lebesgue
    return weights @ nodes


def assert_within(piece, family, left):
    """The differences of one kernel are within what a piece certifies; at each offset within its peak."""
    times = family.every()
    assert np.abs(left) @ times <= piece.error.l1
    assert math.sqrt(left**2 @ times) <= piece.error.l2
    assert abs(left @ times) <= piece.error.mean
    assert (np.abs(left) <= piece.peak.ravel()).all()


@pytest.mark.parametrize("family", FAMILIES, ids=str)
@pytest.mark.parametrize("tol", [1e-1, 1e-3, 1e-6])
def test_nodes_certify_all_sigmas_between_them(family, tol):
    family = family.cut(max(family.reach))
    made = gaussian_nodes.piece(family, 0.8, 3.0, None, tol)
    assert made is not None
    assert made.error.l1 <= tol
    worst = 0.0
    for sigma in np.geomspace(0.8, 3.0, 400):
        left = family.kernels(np.array([sigma]))[0] - interpolated(made, sigma)
        assert_within(made, family, left)
        worst = max(worst, np.abs(left) @ family.every())
    assert made.error.l1 <= 1.5 * worst


def test_an_error_beyond_the_certificate_is_noticed():
    family = FAMILIES[1]
    made = gaussian_nodes.piece(family, 0.8, 3.0, None, 1e-3)
    with pytest.raises(AssertionError):
        assert_within(made, family, family.kernels(np.array([0.4]))[0] - interpolated(made, 0.8))


@given(st.integers(2, 16), st.floats(0.2, 3), st.floats(1.01, 8), st.booleans(), st.integers(0, 10**6))
def test_certificates_hold_for_any_interval(reach, low, ratio, normalize, seed):
    family = Family((reach,), (bool(seed % 2),), None, normalize)
    made = gaussian_nodes.piece(family, low, low * ratio, None, 1e-3)
    if made is None:
        return
    for sigma in low * ratio ** np.random.default_rng(seed).random(20):
        assert_within(made, family, family.kernels(np.array([sigma]))[0] - interpolated(made, sigma))


@pytest.mark.parametrize("family", [FAMILIES[0], FAMILIES[3]], ids=str)
def test_what_own_windows_add_is_bounded(family):
    highest = 2.9 if family.ndim == 2 else 1.6
    found = gaussian_nodes.truncation(family, highest)
    whole, worst = family.cut(family.radius(highest)), 0.0
    for sigma in np.linspace(0.02, highest, 700):
        left = np.zeros(family.shape)
        left[tuple(slice(0, n) for n in whole.shape)] = whole.kernels(np.array([sigma]))[0].reshape(whole.shape)
        left = kernel_of(family, sigma) - left.ravel()
        times = family.every()
        assert np.abs(left) @ times <= found.l1
        assert math.sqrt(left**2 @ times) <= found.l2
        assert abs(left @ times) <= found.mean
        worst = max(worst, np.abs(left) @ times)
    assert found.l1 <= 1.1 * worst


@pytest.mark.parametrize("family", FAMILIES[1:3], ids=str)
def test_clipping_small_sigmas_is_bounded(family):
    for sigma in (0.1, 0.2, 0.4):
        clipped = family.kernels(np.array([sigma]))[0]
        for smaller in np.linspace(0, sigma, 30):
            left = np.abs(clipped - family.kernels(np.array([smaller]))[0])
            assert left @ family.every() <= gaussian_nodes.clipped(family, sigma) + 1e-15


@pytest.mark.parametrize("folds", [None, ("none", "none"), ("twice", "edge")])
@pytest.mark.parametrize(("low", "high"), [(0.0, 3.0), (0.9, 3.0), (2.0, 2.0), (0.0, 0.05)])
def test_designs_certify_every_pixel(low, high, folds):
    family = Family((12, 12), (False, False), 4.0, True)
    tol = 1e-2
    design = isotropic(family, low, high, Task(tol, 10**6, np.dtype("f8"), folds))
    assert design is not None
    assert design.bound <= tol
    assert design.split is None or design.split in SPLITS
    (pieces,) = design.pieces
    for sigma in np.linspace(low, high, 200):
        if design.split is not None and sigma <= design.split:
            continue
        mine = [p for p in pieces if p.radius in (None, family.radius(sigma))]
        assert len(mine) == 1
        found, shape = interpolated(mine[0], max(sigma, mine[0].low)), mine[0].family.shape
        whole = np.zeros(family.shape)
        whole[tuple(slice(0, n) for n in shape)] = found.reshape(shape)
        left = np.abs(kernel_of(family, sigma) - whole.ravel()) @ family.every()
        assert left <= design.error.l1


def test_designs_along_axes_are_products():
    families = (Family((9,), (False,), 4.0, True), Family((5,), (False,), None, False))
    design = along_axes(families, ((0.3, 2.2), (1.0, 1.7)), Task(1e-2, 10**6, np.dtype("f8")))
    (first,), (second,) = design.pieces
    for a, b in itertools.product(np.linspace(0.3, 2.2, 15), np.linspace(1.0, 1.7, 10)):
        exact = np.outer(kernel_of(families[0], a), kernel_of(families[1], b))
        found = np.zeros_like(exact)
        made = np.outer(interpolated(first, max(a, first.low)), interpolated(second, b))
        found[: made.shape[0], : made.shape[1]] = made
        times = np.outer(families[0].every(), families[1].every())
        assert (np.abs(exact - found) * times).sum() <= design.error.l1
    assert along_axes(families, ((0.3, 2.2), (1.0, 1.7)), Task(1e-2, 1, np.dtype("f8"), ("none",) * 2)) is None


@pytest.mark.parametrize("name", TERMS)
def test_patches_add_up_to_the_field(name):
    terms = terms_of(TERMS[name].bound(EXTENTS), EXTENTS)
    total, count, met = np.zeros((*EXTENTS, 6, 5)), 0, np.zeros(EXTENTS, int)
    for patch in terms.patches():
        met[patch.region] += len(patch.terms)
        assert all(r.stop - r.start <= n for r, n in zip(patch.region, terms.largest, strict=True))
        for number, weights in patch.terms:
            count += 1
            total[patch.region] += weights[..., None, None] * terms.kernels[number]
    np.testing.assert_allclose(total, TERMS[name].dense(EXTENTS), atol=1e-12)
    assert met.max() <= terms.adds
    if name != "scattered":
        assert count == terms.terms_count
    errors = np.abs(np.random.default_rng(5).normal(size=len(terms.kernels)))
    sums = np.zeros(EXTENTS)
    for patch in terms.patches():
        for number, weights in patch.terms:
            sums[patch.region] += np.abs(weights) * errors[number]
    assert sums.max() <= terms.summed(errors) * (1 + 1e-12)


@pytest.mark.parametrize("name", TERMS)
def test_as_many_patches_meet_as_is_said(name):
    terms = terms_of(TERMS[name].bound(EXTENTS), EXTENTS)
    reach = (5, 4)
    met = np.zeros([n + r for n, r in zip(EXTENTS, reach, strict=True)], int)
    for patch in terms.patches():
        met[tuple(slice(r.start, r.stop + more) for r, more in zip(patch.region, reach, strict=True))] += 1
    assert met.max() <= terms.met(reach)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_folded_is_the_transpose_of_what_is_seen(mode):
    generator = np.random.default_rng(6)
    options = ks.stencil(lambda w: w, size=(4, 3), mode=mode, dilation=(1, 3), origin=(-1, 1)).options
    around = Surroundings.of((6, 7), (4, 3), options, flipped=False)
    image = generator.normal(size=(2, 6, 7))
    block = around.around(image, (slice(0, 6), slice(0, 7)), np.dtype("f8"), 0.0)
    spread = generator.normal(size=block.shape)
    turned = Surroundings.of((6, 7), (4, 3), options, flipped=True)
    canvas = turned.canvas((2,), np.dtype("f8"))
    # What a kernel reaches to one side when it scatters it sees on that side when it gathers, flipped.
    assert canvas.shape == block.shape
    back = around_transposed(around, spread)
    assert np.vdot(block, spread) == pytest.approx(np.vdot(image, back))


def around_transposed(around, spread):
    """`Surroundings.folded` with margins as `Surroundings.around` has them."""
    swapped = Surroundings(
        around.extents, around.size, around.dilation, around.behind, around.before, around.modes, around.cval,
        around.grid,
    )  # fmt: skip
    return swapped.folded(spread.copy())
