"""Mistakes with kernel fields: the type of the error, and that its words say what to do.

What is not compared: refusals of shapes and values that `test_kernels_kinds.py` and the conformance suite have already.
"""

import numpy as np
import pytest

import kernelscape as ks
from kernelscape.errors import (
    ArgumentError,
    ArgumentTypeError,
    KernelscapeError,
    PerformanceWarning,
    ShapeError,
    TracingError,
)

IMAGE = np.random.default_rng(5).random((7, 8))
WIDTH = np.linspace(1.0, 2.0, 56).reshape(7, 8)


def assert_refused(error, words, call):
    """The call raises this error, with all of these words in its message."""
    with pytest.raises(KernelscapeError) as caught:
        call()
    message = str(caught.value)
    assert type(caught.value) is error, message
    for word in words:
        assert word in message


def test_assert_refused_fails():
    def call():
        raise ArgumentError("one")

    with pytest.raises(AssertionError):
        assert_refused(ArgumentError, ["two"], call)
    with pytest.raises(AssertionError):
        assert_refused(KernelscapeError, ["one"], call)


# -- functions of a Formula --------------------------------------------------------------------------------------------


def hill(dy, dx, s):
    return np.exp(-(dy**2 + dx**2) / s)


def of_unit_sum(dy, dx, s):
    weights = hill(dy, dx, s)
    return weights / weights.sum()


def of_unit_peak(dy, dx, s):
    return hill(dy, dx, s) / np.max(hill(dy, dx, s))


def of_place_of_peak(dy, dx, s):
    return hill(dy, dx, s) * np.argmax(hill(dy, dx, s))


def sorted_weights(dy, dx, s):
    return np.sort(hill(dy, dx, s), axis=0)


def flat(dy, dx, s):
    return hill(dy, dx, s) / np.sum(hill(dy, dx, s).ravel())


USES = {
    "gather": lambda field: ks.correlate(IMAGE, field),
    "scatter": lambda field: ks.correlate(IMAGE, field, form="scatter"),
    "normalize": lambda field: ks.convolve(IMAGE, field, normalize=True),
    "kernel": lambda field: ks.apply(lambda w, k: np.sum(w * k), IMAGE, ks.kernel(field)),
    "dense": lambda field: field.dense(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("function", [of_unit_sum, of_unit_peak, of_place_of_peak, sorted_weights, flat])
def test_reduction_over_the_window_is_refused(function, use):
    field = ks.kernels.Formula(function, 3, WIDTH)
    words = [function.__name__, "element by element", "normalize=True divides by the sum"]
    assert_refused(ArgumentError, words, lambda: USES[use](field))


def least_of_two(dy, dx, s):
    return np.min(np.stack([hill(dy, dx, s), hill(dy, dx, 2 * s) / 2]), axis=0)


def steps(dy, dx, s):
    return np.sum(hill(dy, dx, s)[..., np.newaxis] > np.array([0.1, 0.2, 0.4]), axis=-1)


def of_two_numbers(dy, dx, s):
    return hill(dy, dx, 1.0) * np.max(np.stack([s, 2 * s]), axis=0)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("function", [least_of_two, steps, of_two_numbers])
def test_reduction_over_another_axis_is_allowed(function, use):
    found = USES[use](ks.kernels.Formula(function, 3, WIDTH))
    assert np.isfinite(found).all()


def test_sum_of_a_kernel_for_all_pixels_is_right():
    kernel = hill(*np.ogrid[-1:2, -1:2], 1.5)
    field = ks.kernels.Formula(of_unit_sum, 3, 1.5)
    np.testing.assert_allclose(ks.correlate(IMAGE, field), ks.correlate(IMAGE, kernel / kernel.sum()), rtol=1e-12)


def test_reductions_in_the_values_of_arguments_do_not_count():
    field = ks.kernels.Formula(hill, 3, WIDTH)
    found = ks.apply(lambda w, k: np.sum(w * k) / np.sum(k), IMAGE, ks.kernel(field))
    np.testing.assert_allclose(found, ks.correlate(IMAGE, field, normalize=True), rtol=1e-9)


def chosen_with_if(dy, dx, s):
    if s > 1.5:
        return hill(dy, dx, s)
    return hill(dy, dx, 1.0)


def cut_with_if(dy, dx, s):
    return hill(dy, dx, s) if dy**2 + dx**2 < 2 else 0.0


@pytest.mark.parametrize(
    ("function", "use"), [(chosen_with_if, "scatter"), (chosen_with_if, "dense"), *((cut_with_if, use) for use in USES)]
)
def test_if_in_a_formula(function, use):
    field = ks.kernels.Formula(function, 3, WIDTH)
    assert_refused(ArgumentError, [function.__name__, "np.where(condition, a, b)"], lambda: USES[use](field))


def test_other_errors_of_a_function_are_its_own():
    def broken(dy, dx, s):
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        ks.correlate(IMAGE, ks.kernels.Formula(broken, 3, WIDTH))


# -- arguments that are something else ---------------------------------------------------------------------------------

FIELD = ks.kernels.Gaussian(WIDTH)
LARGE = np.arange(5000.0).reshape(50, 100)

ARGUMENTS = {
    "window axes first": (
        ShapeError,
        ["(3, 5, 7, 8)", "numpy.moveaxis(weights, (2, 3), (0, 1))"],
        lambda: ks.correlate(IMAGE, ks.kernels.Dense(np.ones((3, 5, 7, 8)))),
    ),
    "image for its shape": (
        ArgumentTypeError,
        ["shape of the images", "<float64 7x8>", "image.shape"],
        lambda: ks.linear_operator(IMAGE, FIELD),
    ),
    "image of integers for its shape": (
        ArgumentTypeError,
        ["<uint8 7x8>", "image.shape"],
        lambda: ks.linear_operator(IMAGE.astype(np.uint8), FIELD),
    ),
    "line of floats for a shape": (
        ArgumentTypeError,
        ["<float64 8>", "image.shape"],
        lambda: ks.linear_operator(IMAGE[0], FIELD),
    ),
    "rows of an image for its shape": (
        ArgumentTypeError,
        ["integer", "image.shape"],
        lambda: ks.linear_operator([[1, 2], [3, 4]], FIELD),
    ),
    "pixel in a formula": (
        ArgumentTypeError,
        ["PixelArgument(<float64 50x100>)", "Hand over the map itself"],
        lambda: ks.kernels.Formula(hill, 5, ks.pixel(LARGE)),
    ),
    "array for the function of a formula": (
        ArgumentTypeError,
        ["must be callable", "<float64 50x100>"],
        lambda: ks.kernels.Formula(LARGE, 5),
    ),
    "complex weights": (
        ArgumentTypeError,
        ["real weights", "<complex128 5x5>"],
        lambda: ks.kernels.Formula(lambda dy, dx: 1j * (dy + dx), 5).at(0, 0),
    ),
    "plan without its operation": (
        ArgumentError,
        ["<float64 7x8>", "ks.plan(ks.correlate, image, field)"],
        lambda: ks.plan(IMAGE, FIELD),
    ),
    "image for the function": (ArgumentTypeError, ["callable", "<float64 7x8>"], lambda: ks.apply(IMAGE, FIELD)),
    "one line of positions": (
        ShapeError,
        ["2 axes", "(ys, xs)", "2 numbers"],
        lambda: ks.kernels.Grid(np.ones((2, 2, 3, 3)), [0, 9]),
    ),
    "one array of positions": (
        ShapeError,
        ["(ys, xs)"],
        lambda: ks.kernels.Grid(np.ones((2, 2, 3, 3)), np.array([0, 9])),
    ),
    "class for a field": (
        ArgumentTypeError,
        ["the class Gaussian", "Make an object of it", "ks.kernels.Gaussian(...)"],
        lambda: ks.correlate(IMAGE, ks.kernels.Gaussian),
    ),
    "class for a kernel": (ArgumentTypeError, ["Disc(...)"], lambda: ks.kernel(ks.kernels.Disc)),
    "class for an operator": (ArgumentTypeError, ["Disc(...)"], lambda: ks.linear_operator((7, 8), ks.kernels.Disc)),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_argument_is_something_else(case):
    assert_refused(*ARGUMENTS[case])


@pytest.mark.parametrize("make", [ks.window, ks.pixel, ks.kernel])
def test_marked_arrays_are_not_printed(make):
    assert repr(make(LARGE)).endswith("Argument(<float64 50x100>)")


def test_dense_of_another_shape_has_no_advice():
    with pytest.raises(ShapeError, match=r"got one of shape \(3, 5, 7, 9\)\.$"):
        ks.correlate(IMAGE, ks.kernels.Dense(np.ones((3, 5, 7, 9))))


# -- functions of windows and kernels ----------------------------------------------------------------------------------

NARROW = ks.kernels.Gaussian(WIDTH, size=5)
GRID = ks.kernels.Grid(np.ones((2, 2, 5, 5)), ([0, 6], [0, 7]))


def products(w, k):
    return np.sum(w * k)


def products_in_python(w, k):
    return float(np.sum(w * k))


@pytest.mark.parametrize("field", [NARROW, GRID, ks.kernels.Gaussian(1.0, size=5)])
def test_windows_of_another_size_than_the_kernels(field):
    words = ["windows of size (3, 3)", "kernels of size (5, 5)", "without size= they have it"]
    assert_refused(ShapeError, words, lambda: ks.apply(products, IMAGE, ks.kernel(field), size=3))
    small = ks.window(IMAGE, size=(3, 3))
    assert_refused(ShapeError, words, lambda: ks.apply(products, small, ks.kernel(field)))


def test_windows_of_another_size_that_only_numpy_calls():
    words = ["windows of size (3, 3)", "kernels of size (5, 5)"]
    call = lambda: ks.apply(products_in_python, IMAGE, ks.kernel(NARROW), size=3, method="numpy")  # noqa: E731
    assert_refused(ShapeError, words, call)


def test_kernels_of_different_sizes():
    def both(w, a, b):
        return np.sum(w * a * b)

    fields = ks.kernel(NARROW), ks.kernel(ks.kernels.Gaussian(WIDTH, size=3))
    words = ["windows of size (5, 5)", "kernels of size (5, 5) and (3, 3)"]
    assert_refused(ShapeError, words, lambda: ks.apply(both, IMAGE, *fields))


def test_sizes_may_differ_where_the_function_does_not_combine_them():
    found = ks.apply(lambda w, k: np.max(w) * np.sum(k), IMAGE, ks.kernel(NARROW), size=3)
    np.testing.assert_allclose(found, ks.apply(lambda w: np.max(w), IMAGE, size=3), rtol=1e-12)


@pytest.mark.parametrize("size", [3, 5])
def test_other_errors_of_a_function_of_kernels_are_its_own(size):
    def broken(w, k):
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        ks.apply(broken, IMAGE, ks.kernel(NARROW), size=size)


def test_misfits_that_sizes_do_not_explain_are_numpys():
    with pytest.raises(ValueError, match="could not be broadcast") as caught:
        ks.apply(lambda w, k: np.sum(w * k[:2]), IMAGE, ks.kernel(NARROW))
    assert type(caught.value) is ValueError


def test_footprints_choose_from_kernels_too():
    with pytest.raises(ValueError, match="could not be broadcast") as caught:
        ks.apply(lambda w, k: np.sum(w * k[:2]), IMAGE, ks.kernel(NARROW), footprint=np.eye(5))
    assert type(caught.value) is ValueError


def of_no_number(w, k):
    return {"sum": np.sum(w * k)}


@pytest.mark.parametrize("function", [of_no_number, products_in_python])
@pytest.mark.parametrize("field", [NARROW, GRID])
def test_tracing_errors_name_the_users_function(function, field):
    with pytest.raises(TracingError) as caught:
        ks.apply(function, IMAGE, ks.kernel(field), method="traced")
    assert "test_field_errors.py" in str(caught.value)
    assert f" in {function.__name__}" in str(caught.value)
    assert "expansion.py" not in str(caught.value)


def test_warning_names_the_users_function():
    with pytest.warns(PerformanceWarning) as caught:
        ks.apply(products_in_python, IMAGE, ks.kernel(NARROW))
    (warning,) = caught
    assert warning.filename == __file__
    assert "test_field_errors.py" in str(warning.message)
    assert "expansion.py" not in str(warning.message)


# -- tol of functions of windows ---------------------------------------------------------------------------------------


def test_tol_changes_nothing_for_functions_of_windows():
    exact = ks.apply(products, IMAGE, ks.kernel(NARROW))
    np.testing.assert_array_equal(ks.apply(products, IMAGE, ks.kernel(NARROW), tol=0.5), exact)
    assert "Every method of this version is exact" not in (ks.apply.__doc__ or "")
    assert "tolerated" in (ks.apply.__doc__ or "")
