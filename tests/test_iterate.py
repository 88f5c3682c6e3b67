"""`iterate` against the loop that it stands for, and against known solutions.

Compared: dtype, shape and values with ``for _ in range(n): array = step(array)``; what is written, and when; which
arrays users see; when an iteration ends.
"""

import functools
import inspect
import itertools
import signal
import tracemalloc

import numpy as np
import pytest
from scipy import ndimage
from skimage import morphology

import kernelscape as ks
from kernelscape.api.convergence import STRIP, criterion
from kernelscape.config import settings
from kernelscape.errors import ArgumentError, ArgumentTypeError, ShapeError
from tests.oracle.comparison import assert_near, assert_same

RNG = np.random.default_rng(4)
IMAGE = RNG.random((9, 12))

mean = ks.stencil(np.mean, size=3)
highest = ks.stencil(np.max, size=3)


@ks.stencil(size=3)
def heat(u):
    return u[1, 1] + 0.2 * (u[0, 1] + u[1, 0] + u[1, 2] + u[2, 1] - 4 * u[1, 1])


@ks.stencil(size=3)
def both(a, b):
    return np.max(a) - b[1, 1], np.min(b) + a[0, 0]


def looped(step, array, n, *arguments):
    for _ in range(n):
        array = step(array, *arguments)
    return array


def assert_all_same(actual, expected):
    assert isinstance(actual, tuple)
    for a, e in zip(actual, expected, strict=True):
        assert_same(a, e)


def test_signature():
    words = [p.name for p in inspect.signature(ks.iterate).parameters.values()]
    expected = ["stencil", "array", "n", "arguments", "until", "return_steps", "progress", "output", "workers"]
    assert words == expected


# -- the loop ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "f2", "f4", ">f4", "f8", "u8"])
@pytest.mark.parametrize("step", [mean, highest, ks.stencil(np.sum, size=3), ks.stencil(lambda w: w[1, 1] > 2, size=3)])
def test_is_the_loop(step, dtype, n):
    image = (50 * IMAGE).astype(dtype)
    before = image.copy()
    found = ks.iterate(step, image, n)
    assert_same(found, looped(step, image, n))
    np.testing.assert_array_equal(image, before)
    assert not np.shares_memory(found, image)
    found[...] = 0  # it is the caller's own


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_functions_of_arrays(n):
    weights = RNG.random((3, 3)) / 5 * (1 + 0.5j)
    given = IMAGE + 1j * IMAGE[::-1]
    for step in (
        lambda u: ks.correlate(u, weights),
        functools.partial(ks.correlate, weights=weights, mode="wrap"),
        lambda u, output=None: ks.convolve(u, weights, output=output),
        lambda u: (u.T * 0.5).T,
        lambda u: u[::-1],
        lambda u: u,
    ):
        found = ks.iterate(step, given, n)
        assert_same(found, looped(step, given, n))
        assert found.flags.writeable
        assert not np.shares_memory(found, given)


def test_correlate_itself_is_a_step():
    weights = np.full((3, 3), 1 / 9)
    wanted = looped(lambda u: ks.correlate(u, weights), IMAGE, 4)
    assert_same(ks.iterate(ks.correlate, IMAGE, 4, weights), wanted)


def test_filters_of_scipy_are_steps():
    step = functools.partial(ndimage.uniform_filter, size=3, mode="wrap")
    image = (200 * IMAGE).astype(np.uint8)
    assert_same(ks.iterate(step, image, 6), looped(step, image, 6))


def test_further_arguments_stay_the_same():
    step = ks.stencil(lambda w, a, m, k, y, c: np.sum(w * k) * m + a[1, 1] + y * c, size=3)
    rest = (IMAGE[::-1].tolist(), ks.pixel(IMAGE), ks.kernel(np.full((3, 3), 0.1)), ks.index(0), 0.01)
    assert_same(ks.iterate(step, IMAGE, 3, *rest), looped(step, IMAGE, 3, *rest))


def test_a_kernel_field_is_an_argument():
    step = ks.stencil(lambda w, k: np.sum(w * k))
    field = ks.kernel(ks.kernels.Gaussian(1 + IMAGE, size=5))
    assert_same(ks.iterate(step, IMAGE, 3, field), looped(step, IMAGE, 3, field))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 6])
def test_state_of_several_arrays(n):
    a, b = (10 * IMAGE).astype(np.int16), IMAGE[::-1].astype(np.float32)
    wanted = (a, b)
    for _ in range(n):
        wanted = both(*wanted)
    assert_all_same(ks.iterate(both, (a, b), n), wanted)
    assert_all_same(ks.iterate(lambda a, b: both(a, b), (a, b), n), wanted)
    assert_all_same(ks.iterate(lambda a, b, output: both(a, b, output=output), (a, b), n), wanted)


def test_a_tuple_of_one_stays_a_tuple():
    (found,) = ks.iterate(lambda u: (heat(u),), (IMAGE,), 3)
    assert_same(found, looped(heat, IMAGE, 3))


def test_marked_arrays_of_the_state_stay_marked():
    wave = ks.stencil(lambda u, before: (2 * u[1] - before + 0.3 * (u[0] - 2 * u[1] + u[2]), u[1]), size=3, axes=0)
    u, before = IMAGE, IMAGE[::-1]
    found = ks.iterate(wave, (u, ks.pixel(before)), 5)
    for _ in range(5):
        u, before = wave(u, ks.pixel(before))
    assert_all_same(found, (u, before))
    wide = ks.iterate(ks.stencil(np.mean), ks.window(IMAGE, size=5, mode="wrap"), 3)
    assert_same(wide, looped(ks.stencil(np.mean, size=5, mode="wrap"), IMAGE, 3))


def test_a_function_that_cannot_be_traced():
    step = ks.stencil(lambda w, axis: np.mean(np.asarray(w), axis=axis), size=3, method="numpy")
    assert_same(ks.iterate(step, IMAGE, 3), looped(step, IMAGE, 3))


def test_a_function_that_hands_the_state_on_keeps_it():
    """What it returns beside its targets may be a view of the state, which must not be written then."""

    def shifted(u, before, output):
        return 0.5 * (u + before), u

    u, before = IMAGE, IMAGE[::-1]
    found = ks.iterate(shifted, (u, before), 6)
    for _ in range(6):
        u, before = 0.5 * (u + before), u
    assert_all_same(found, (u, before))


def test_a_function_may_write_and_return_nothing():
    def halved(u, output=None):
        if output is None:
            return u / 2
        np.divide(u, 2, out=output)
        return None

    assert_same(ks.iterate(halved, IMAGE, 5), IMAGE / 32)


# -- known solutions --------------------------------------------------------------------------------------------------


def test_heat_an_eigenmode_decays_by_its_factor():
    n, (ny, nx) = 100, (24, 40)
    y, x = np.mgrid[:ny, :nx]
    mode = np.cos(np.pi * 2 * (y + 0.5) / ny) * np.cos(np.pi * 3 * (x + 0.5) / nx)
    factor = 1 + 0.4 * (np.cos(np.pi * 2 / ny) + np.cos(np.pi * 3 / nx) - 2)
    assert_near(ks.iterate(heat, mode, n), factor**n * mode, 1e-13)


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_game_of_life_a_glider_moves(dtype):
    @ks.stencil(size=3, mode="wrap")
    def life(w):
        alive = np.sum(w != 0)
        return ((alive == 3) | ((alive == 4) & (w[1, 1] != 0))).astype(dtype)

    cells = np.zeros((8, 11), dtype)
    cells[:3, :3] = [[0, 1, 0], [0, 0, 1], [1, 1, 1]]
    for n in (4, 20, 88):
        assert_same(ks.iterate(life, cells, n), np.roll(cells, (n // 4, n // 4), axis=(0, 1)))
    assert_same(ks.iterate(life, cells, 4 * 8 * 11), cells)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_morphological_reconstruction(dtype):
    mask = (255 * ndimage.gaussian_filter(RNG.random((50, 60)), 2)).astype(dtype)
    seed = np.where(RNG.random(mask.shape) < 0.01, mask, mask.min()).astype(dtype)
    step = ks.stencil(lambda w, m: np.minimum(np.max(w), m), size=3)
    found, steps = ks.iterate(step, seed, None, ks.pixel(mask), until=0, return_steps=True)
    assert_same(found, morphology.reconstruction(seed, mask, footprint=np.ones((3, 3))).astype(dtype))
    assert 5 < steps < mask.size


def test_reconstruction_of_booleans_is_propagation():
    mask = RNG.random((40, 40)) < 0.6
    seed = mask & (RNG.random(mask.shape) < 0.01)
    cross = ndimage.generate_binary_structure(2, 1)
    step = ks.stencil(lambda w, m: np.max(w) & m, footprint=cross)
    assert_same(
        ks.iterate(step, seed, None, ks.pixel(mask), until=0), ndimage.binary_propagation(seed, cross, mask=mask)
    )


def test_perona_malik():
    def flux(d):
        return d * np.exp(-((d / 0.2) ** 2))

    step = ks.stencil(
        lambda u: u[1, 1] + 0.2 * sum(flux(u[p] - u[1, 1]) for p in ((0, 1), (2, 1), (1, 0), (1, 2))), size=3
    )
    wanted = IMAGE
    for _ in range(15):
        padded = np.pad(wanted, 1, mode="edge")
        around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
        wanted = wanted + 0.2 * sum(flux(n - wanted) for n in around)
    assert_near(ks.iterate(step, IMAGE, 15), wanted, 1e-12)


def test_gray_scott():
    def laplacian(w):
        return 0.2 * (w[0, 1] + w[1, 0] + w[1, 2] + w[2, 1]) + 0.05 * (w[0, 0] + w[0, 2] + w[2, 0] + w[2, 2]) - w[1, 1]

    @ks.stencil(size=3, mode="wrap")
    def react(u, v):
        made = u[1, 1] * v[1, 1] ** 2
        return (
            u[1, 1] + laplacian(u) - made + 0.055 * (1 - u[1, 1]),
            v[1, 1] + 0.5 * laplacian(v) + made - 0.117 * v[1, 1],
        )

    def rolled(a):
        moves = np.moveaxis([[np.roll(a, (-y, -x), (0, 1)) for x in (-1, 0, 1)] for y in (-1, 0, 1)], (0, 1), (0, 1))
        return laplacian(moves)

    u, v = np.ones((32, 32)), np.zeros((32, 32))
    u[12:20, 12:20], v[12:20, 12:20] = 0.5, 0.25
    found = ks.iterate(react, (u, v), 60)
    for _ in range(60):
        made = u * v**2
        u, v = u + rolled(u) - made + 0.055 * (1 - u), v + 0.5 * rolled(v) + made - 0.117 * v
    for a, wanted in zip(found, (u, v), strict=True):
        assert_near(a, wanted, 1e-11)
    assert found[1].max() > 0.2


# -- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [heat, lambda u, output: heat(u, output=output)])
def test_two_buffers_and_nothing_else(step):
    image = RNG.random((512, 300))
    seen = set()

    def address(new, old):
        seen.add(new.ctypes.data)
        return False

    ks.iterate(step, image, 40, until=address)
    assert 2 <= len(seen) <= 2 + (step is not heat)  # the first result of a function is the function's own
    tracemalloc.start()
    ks.iterate(step, image, 40, until=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 2 * image.nbytes <= peak < 2.7 * image.nbytes


def test_steps_and_until_get_read_only_arrays():
    with pytest.raises(ValueError, match="read-only") as caught:
        ks.iterate(lambda u: np.negative(u, out=u), IMAGE, 1)
    assert "first step of ks.iterate" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="read-only"):
        ks.iterate(heat, IMAGE, 5, until=lambda new, old: new.fill(0))


def test_a_function_that_writes_over_the_state_is_refused_where_that_shows():
    memory = np.empty_like(IMAGE)
    with pytest.raises(ArgumentError, match="give the function a parameter output"):
        ks.iterate(lambda u: np.sin(u, out=memory), IMAGE, 5, until=1e-3)
    assert_same(ks.iterate(lambda u: np.sin(u, out=memory), IMAGE, 5), looped(np.sin, IMAGE, 5))


# -- output -----------------------------------------------------------------------------------------------------------


def test_output_is_an_array_or_a_dtype():
    image = np.rint(200 * IMAGE)
    wanted = looped(mean, image, 4)
    target = np.full(IMAGE.shape, -1, np.float32)
    assert ks.iterate(mean, image, 4, output=target) is target
    assert_same(target, wanted.astype(np.float32))
    assert_same(ks.iterate(mean, image, 4, output=np.uint8), np.rint(wanted).astype(np.uint8))
    assert_same(ks.iterate(mean, -image, 1, output=np.uint8), np.zeros(IMAGE.shape, np.uint8))  # saturated
    assert_same(ks.iterate(mean, image, 4, output=">f8"), wanted.astype(">f8"))


def test_output_may_overlap_the_state():
    image = IMAGE.copy()
    assert ks.iterate(heat, image, 3, output=image) is image
    assert_same(image, looped(heat, IMAGE, 3))
    shifted = IMAGE.copy()
    ks.iterate(heat, shifted[:-1], 3, output=shifted[1:])
    assert_same(shifted[1:], looped(heat, IMAGE[:-1], 3))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_outputs_may_be_the_arrays_of_the_state_in_another_order(n):
    a, b = IMAGE.copy(), IMAGE[::-1].copy()
    wanted = ks.iterate(both, (a.copy(), b.copy()), n)
    ks.iterate(both, (a, b), n, output=(b, a))
    assert_all_same((b, a), wanted)


def test_outputs_of_several_arrays():
    found = ks.iterate(both, (IMAGE, IMAGE), 2, output=np.float32)
    assert [f.dtype for f in found] == [np.float32] * 2
    found = ks.iterate(both, (IMAGE, IMAGE), 2, output=(np.float32, np.empty(IMAGE.shape)))
    assert [f.dtype for f in found] == [np.float32, np.float64]


@pytest.mark.parametrize(
    ("output", "error", "text"),
    [
        (np.empty((3, 3)), ShapeError, r"result's shape \(9, 12\); got an array of shape \(3, 3\)"),
        ((np.float32, np.float32), ArgumentError, "for each of the 1 results; got 2"),
        (np.broadcast_to(0.0, (9, 12)), ArgumentError, "read-only"),
        ("no", ArgumentTypeError, "must be a NumPy dtype"),
        (bool, ArgumentTypeError, "bool cannot hold a result of dtype float64"),
    ],
)
def test_an_output_that_does_not_fit_is_refused_at_once(output, error, text):
    steps = []
    with pytest.raises(error, match=text):
        ks.iterate(heat, IMAGE, 5, output=output, progress=steps.append)
    assert not steps


def test_nan_is_not_stored_in_integers():
    image, target = np.where(IMAGE < 0.1, np.nan, IMAGE), np.full(IMAGE.shape, 7)
    with pytest.raises(ArgumentError, match="NaN"):
        ks.iterate(heat, image, 2, output=target)
    assert (target == 7).all()


# -- interruptions ----------------------------------------------------------------------------------------------------


class StopError(Exception):
    pass


def stop_at(count):
    calls = iter(range(count))

    def stop(*_):
        if next(calls, None) is None:
            raise StopError
        return False

    return stop


@pytest.mark.parametrize("words", [{"until": stop_at(3)}, {"progress": stop_at(3)}, {"progress": stop_at(9)}])
def test_an_exception_of_a_callback_leaves_arrays_alone(words):
    image, target = IMAGE.copy(), np.zeros_like(IMAGE)
    with pytest.raises(StopError):
        ks.iterate(heat, image, 10, output=target, **words)
    assert_same(image, IMAGE)
    assert not target.any()


def test_an_exception_of_a_step_says_which():
    stop = stop_at(3)

    def step(u):
        stop()
        return heat(u)

    with pytest.raises(StopError) as caught:
        ks.iterate(step, IMAGE, 10)
    assert caught.value.__notes__ == ["This happened in step 4 of ks.iterate."]


def test_an_interruption_ends_it():
    """Until convergence, which never comes."""

    def interrupt(*_):
        raise KeyboardInterrupt

    target = np.zeros((300, 300))
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            ks.iterate(heat, RNG.random(target.shape), until=lambda new, old: False, output=target)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not target.any()


# -- until ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1e-2, 1e-4, np.float32(0.1), 0.5, 3])
def test_until_a_number(limit):
    wanted, steps = IMAGE, 0
    while True:
        before, wanted, steps = wanted, heat(wanted), steps + 1
        if np.abs(wanted - before).max() <= limit:
            break
    assert_same(ks.iterate(heat, IMAGE, until=limit), wanted)
    found, count = ks.iterate(heat, IMAGE, 10_000, until=limit, return_steps=True)
    assert_same(found, wanted)
    assert count == steps
    assert ks.iterate(heat, IMAGE, steps - 1, until=limit, return_steps=True)[1] == steps - 1


def test_until_a_callable():
    seen = []

    def finished(new, old):
        seen.append((new.copy(), old.copy()))
        return np.bool_(len(seen) == 3)

    found, steps = ks.iterate(heat, IMAGE, 10, until=finished, return_steps=True)
    assert steps == 3
    for n, (new, old) in enumerate(seen):
        assert_same(old, looped(heat, IMAGE, n))
        assert_same(new, looped(heat, IMAGE, n + 1))
    assert_same(found, seen[-1][0])


def test_until_a_callable_gets_tuples_where_the_state_is_one():
    def finished(new, old):
        assert [len(new), len(old)] == [2, 2]
        assert not any(a.flags.writeable for a in (*new, *old))
        return True

    assert ks.iterate(both, (IMAGE, IMAGE), until=finished, return_steps=True)[1] == 1


def test_until_looks_at_all_arrays_of_a_state():
    count = ks.stencil(lambda a, b: (a[1], np.minimum(b[1] + 1, 5)), size=3)
    zeros = np.zeros(4, int)
    (_, b), steps = ks.iterate(count, (zeros, zeros), until=0, return_steps=True)
    assert steps == 6
    assert (b == 5).all()


def test_n_of_zero_makes_no_step():
    assert ks.iterate(heat, IMAGE, 0, until=0, return_steps=True)[1] == 0


@pytest.mark.parametrize("shape", [(3, 2 * STRIP + 5), (2 * STRIP + 5,), (2, 3, 1, STRIP), (300, 400), (1, 1)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_change_anywhere_is_seen(shape, order):
    old = np.zeros(shape, np.float32, order=order)
    settled = criterion(0.5, [old], tuple)
    for place in (0, old.size - 1, old.size // 2, old.size // 3):
        new = old.copy(order="C")
        new.flat[place] = 1
        assert not settled([new], [old], 1)
        new.flat[place] = 0.5
        assert settled([new], [old], 1)


def test_nothing_does_not_change():
    assert ks.iterate(heat, np.zeros((0, 5)), 10, until=0, return_steps=True)[1] == 1


_VALUES = {
    "?": (0, 1),
    "u1": (0, 1, 3, 255),
    "i1": (-128, -1, 0, 1, 127),
    "i4": (-(2**31), -100, 0, 3, 2**31 - 1),
    "i8": (-(2**63), -(2**63) + 1, -100, 0, 3, 2**63 - 1),
    "u8": (0, 3, 100, 2**64 - 1),
    "f2": (-60000, -0.5, 0, 0.25, 3, 60000),
    "f4": (-1e38, -0.5, 0, 0.25, 3, 1e38, -np.inf, np.inf),
    "f8": (-1e308, -0.5, 0, 0.25, 3, 1e308, -np.inf, np.inf),
}


@pytest.mark.parametrize("limit", [0, 0.25, 0.5, 1, 100, 254.5, 1e18, np.inf])
@pytest.mark.parametrize("dtype", _VALUES)
def test_the_largest_change(dtype, limit):
    """Whatever the dtypes; differences of the values above are exact, or far from the limits."""
    for other, values in _VALUES.items():
        for a, b in itertools.product(_VALUES[dtype], values):
            new, old = np.array([a], dtype), np.array([b], other)
            wanted = new[0].item() == old[0].item() or abs(new[0].item() - old[0].item()) <= limit
            assert criterion(limit, [old], tuple)([new], [old], 1) == wanted, (a, other, b)


def test_infinities_that_stay_are_no_change():
    distance = np.array([0, np.inf, np.inf, np.inf, np.inf])
    free = np.array([0, 0, 0, np.inf, 0])
    step = ks.stencil(lambda w, wall: np.minimum(w[1], np.min(w) + 1) + wall, size=3)
    found = ks.iterate(step, distance, None, ks.pixel(free), until=0.5)
    assert_same(found, np.array([0, 1, 2, np.inf, np.inf]))


@pytest.mark.parametrize("limit", [0, 1e-3])
def test_nan_that_was_givenand_stays_is_no_change(limit):
    image = IMAGE.copy()
    image[2, 3] = image[5, 5] = np.nan
    step = ks.stencil(lambda w: 0.5 * w[1, 1], size=3)
    found = ks.iterate(step, image, until=limit)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(image))
    assert np.nanmax(found) <= limit


@pytest.mark.parametrize("limit", [0, 1e-3])
def test_nan_that_goes_is_a_change(limit):
    line = np.array([1.0, np.nan, np.nan, np.nan])
    step = ks.stencil(lambda w: np.where(np.isnan(w[1]), w[0], w[1]), size=3, mode="nearest")
    found, steps = ks.iterate(step, line, until=limit, return_steps=True)
    assert_same(found, np.ones(4))
    assert steps == 4


@pytest.mark.parametrize("limit", [0, 1e-3])
def test_nan_that_comes_does_not_end_it_silently(limit):
    unstable = ks.stencil(lambda w: -1e30 * (w[0] + w[2] - 2.5 * w[1]), size=3)
    with pytest.raises(ArgumentError, match=rf"After 12 steps there is NaN .* until={limit:g} cannot"):
        ks.iterate(unstable, np.array([1.0, 2, 3, 4, 1]), 1000, until=limit)
    spreading = np.array([1.0, np.nan, 1, 1, 1])
    with pytest.raises(ArgumentError, match="After 1 steps there is NaN"):
        ks.iterate(ks.stencil(np.sum, size=3), spreading, 1000, until=limit)
    assert np.isnan(ks.iterate(ks.stencil(np.sum, size=3), spreading, 1000)).all()


def test_complex_changes_are_magnitudes():
    halved = ks.iterate(lambda u: u / 2, np.array([3 + 4j]), until=1.25)
    assert_same(halved, np.array([0.75 + 1j]))


# -- progress and workers ---------------------------------------------------------------------------------------------


def test_progress():
    seen = []
    ks.iterate(heat, IMAGE, 4, progress=seen.append)
    assert seen == [0.25, 0.5, 0.75, 1.0]
    seen.clear()
    ks.iterate(heat, IMAGE, 1000, until=1.0, progress=seen.append)
    assert seen == [1.0]
    seen.clear()
    ks.iterate(heat, IMAGE, 0, progress=seen.append)
    assert seen == [1.0]


def test_workers():
    image = RNG.random((700, 800))
    seen = []
    one = ks.iterate(heat, image, 3, workers=1, progress=lambda _: seen.append(settings().workers))
    assert_same(ks.iterate(heat, image, 3, workers=2), one)
    assert_same(ks.iterate(heat, image, 3), one)
    assert seen == [1, 1, 1]
    assert settings().workers is None


# -- refusals ---------------------------------------------------------------------------------------------------------


def center(w):
    return w[1, 1]


@pytest.mark.parametrize("function", [center, np.mean, lambda w: np.max(w) - np.min(w)])
def test_a_function_of_windows_is_refused(function):
    with pytest.raises(ShapeError, match=r"gave a number\. .*ks\.iterate\(ks\.stencil\(function, size=3\), array, n\)"):
        ks.iterate(function, IMAGE, 5)


def test_a_function_that_fails_on_the_whole_array_is_told_of_stencils():
    weights = np.ones((3, 3))
    with pytest.raises(ValueError, match="broadcast") as caught:
        ks.iterate(lambda w: np.sum(w * weights), IMAGE, 5)
    assert "ks.stencil(function, size=3)" in caught.value.__notes__[0]


@pytest.mark.parametrize("words", [{"stride": 2}, {"padding": "valid"}, {"padding": "full"}, {"mode": "valid"}])
def test_a_stencil_must_keep_the_shape(words):
    with pytest.raises(ShapeError, match=r"must keep the shape \(9, 12\); .* Use stride=1 and padding='same'"):
        ks.iterate(ks.stencil(np.mean, size=3, **words), IMAGE, 5)


@pytest.mark.parametrize(
    ("arguments", "words", "error", "text"),
    [
        ((IMAGE, IMAGE, 3), {}, ArgumentTypeError, "must be a Stencil or a function of arrays; got <float64 9x12>"),
        ((heat, IMAGE), {}, ArgumentError, "Expected n, the number of steps, or until"),
        ((heat, IMAGE, -1), {}, ArgumentError, "n must be at least 0; got -1"),
        ((heat, IMAGE, 2.0), {}, ArgumentTypeError, "n must be an integer"),
        ((heat, IMAGE, True), {}, ArgumentTypeError, "n must be an integer"),
        ((heat, IMAGE, np.array([3])), {}, ArgumentTypeError, "n must be an integer"),
        ((heat, IMAGE, ks.pixel(IMAGE)), {}, ArgumentTypeError, r"got PixelArgument\(<float64 9x12>\)\. Further"),
        ((heat, (), 3), {}, ArgumentError, r"got \(\)"),
        ((heat, 3.0, 3), {}, ShapeError, "at least one axis; got the number 3.0"),
        ((heat, (1.0, 2.0), 3), {}, ShapeError, "one array of numbers is a list"),
        ((heat, ks.index(0), 3), {}, ArgumentTypeError, "Expected an array"),
        ((heat, np.array(["a"]), 3), {}, ArgumentTypeError, "must hold bool, integers, floats"),
        ((heat, IMAGE, 3), {"until": -1}, ArgumentError, "until must be at least 0.*got -1"),
        ((heat, IMAGE, 3), {"until": np.nan}, ArgumentError, "until must be at least 0.*got nan"),
        ((heat, IMAGE, 3), {"until": True}, ArgumentTypeError, "until must be a number.*or a callable"),
        ((heat, IMAGE, 3), {"until": IMAGE}, ArgumentTypeError, "got <float64 9x12>"),
        ((heat, IMAGE, 3), {"progress": 1}, ArgumentTypeError, "progress must be a callable"),
        ((heat, IMAGE), {"until": 0, "progress": print}, ArgumentError, "n is None. Give n"),
        ((heat, IMAGE, 3), {"workers": 0}, ArgumentError, "workers must be at least 1"),
        ((heat, IMAGE, 3), {"return_step": 1}, ArgumentTypeError, "did you mean 'return_steps'"),
        ((center, IMAGE, 3), {"size": 3}, ArgumentTypeError, r"size= belongs to the stencil; .*ks\.stencil\("),
        ((both, IMAGE, 3), {}, TypeError, "missing 1 required"),
        ((heat, (IMAGE,), 3), {}, ArgumentError, "a tuple of 1 arrays; heat gave <float64 9x12>"),
        ((lambda u: (u, u), IMAGE, 3), {}, ArgumentError, "one array; .* gave a tuple of 2"),
        ((lambda u: None, IMAGE, 3), {}, ArgumentTypeError, "returned None"),
        ((lambda u, output: None, IMAGE, 3), {}, ArgumentTypeError, "returned None"),
        ((lambda u: u[1:], IMAGE, 3), {}, ShapeError, r"gave an array of shape \(8, 12\)"),
        ((lambda u: "u", IMAGE, 3), {}, ArgumentTypeError, "Expected an array"),
    ],
)
def test_refusals(arguments, words, error, text):
    with pytest.raises(error, match=text):
        ks.iterate(*arguments, **words)
