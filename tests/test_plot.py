"""Pictures of kernel fields: what is drawn, and where.

The artists on the axes are looked at, their data and places, and for colours the pixels that are painted; whether the
picture is beautiful is not tested.
"""

import builtins

import matplotlib as mpl
import numpy as np
import pytest

from kernelscape.errors import ArgumentError, ArgumentTypeError, MissingDependencyError, ShapeError
from kernelscape.kernels import Dense, Disc, Formula, Gaussian, Grid, Scattered

mpl.use("Agg")
import matplotlib.pyplot as plt  # the backend has to be chosen before

H, W = 60, 80
SIGMA = np.linspace(0.3, 2.0, H * W).reshape(H, W)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def centre_of(artist, size):
    """Where the sample ``k // 2`` of a kernel was drawn, as (y, x)."""
    left, right, bottom, top = artist.get_extent()
    zoom = (right - left) / size[1]
    assert (bottom - top) / size[0] == pytest.approx(zoom)
    return top + zoom * (size[0] // 2 + 0.5), left + zoom * (size[1] // 2 + 0.5)


def zoom_of(artist, size):
    left, right, _, _ = artist.get_extent()
    return (right - left) / size[1]


def assert_draws(artist, kernel, position, scale=None):
    """The artist holds the kernel, in units of its largest weight, around its position."""
    np.testing.assert_allclose(centre_of(artist, kernel.shape), position, atol=1e-9)
    most = abs(kernel).max() if scale is None else scale
    np.testing.assert_allclose(artist.get_array(), kernel / most, rtol=1e-12)
    np.testing.assert_array_equal(artist.get_alpha(), kernel != 0)


def test_a_wrong_place_or_kernel_is_noticed():
    field = Gaussian(SIGMA)
    (artist,) = field.plot(at=(10, 20)).images
    assert_draws(artist, field.at(10, 20), (10, 20))
    for kernel, position in [(field.at(10, 20), (10, 21)), (field.at(50, 20), (10, 20))]:
        with pytest.raises(AssertionError):
            assert_draws(artist, kernel, position)


def test_a_grid_of_kernels_in_the_middle_of_the_image():
    field = Gaussian(SIGMA)
    ax = field.plot(spacing=20)
    positions = [(y, x) for y in (9, 29, 49) for x in (9, 29, 49, 69)]
    assert len(ax.images) == len(positions)
    for artist, position in zip(ax.images, positions, strict=True):
        assert_draws(artist, field.at(*position), position)
    assert ax.get_xlim() == (-0.5, W - 0.5)
    assert ax.get_ylim() == (H - 0.5, -0.5)
    assert ax.get_aspect() == 1


@pytest.mark.parametrize(
    ("spacing", "ys", "xs"),
    [
        (None, range(4, 60, 10), range(4, 80, 10)),
        ((30, 50), (14, 44), (39,)),
        (100, (29,), (39,)),
        (np.array([60, 80]), (29,), (39,)),
    ],
)
def test_spacing(spacing, ys, xs):
    field = Disc(SIGMA)
    ax = field.plot(spacing=spacing)
    found = [centre_of(artist, (5, 5)) for artist in ax.images]
    np.testing.assert_allclose(found, [(y, x) for y in ys for x in xs], atol=1e-9)


def test_kernels_of_a_grid_do_not_touch_and_fill_the_room():
    size = Gaussian(SIGMA).at(0, 0).shape
    for spacing, wanted in [(None, 0.9 * 10), (12, 0.9 * 12), ((20, 7), 0.9 * 7), (70, 80 / 6)]:
        for artist in Gaussian(SIGMA).plot(spacing=spacing).images:
            assert zoom_of(artist, size) * size[1] == pytest.approx(wanted)


def test_half_of_the_kernels_at_given_positions_do_not_touch():
    kernels, points = np.ones((4, 3, 5)), np.array([[5, 5], [5, 35], [35, 6], [36, 6]])
    field = Scattered(kernels, points)
    # To the nearest other one: 30 / 3 sizes, 30 / 5, 1 / 3 and 1 / 3; the median is limited by a sixth of the image.
    for artist in field.plot(at=points, shape=(H, W)).images:
        assert zoom_of(artist, (3, 5)) == pytest.approx(min(0.9 * (30 / 5 + 1 / 3) / 2, 80 / 6 / 5))
    for artist in field.plot(at=points[2:], shape=(H, W)).images:
        assert zoom_of(artist, (3, 5)) == pytest.approx(0.9 / 3)


def test_positions_and_zoom_of_ones_own():
    field = Dense(np.random.default_rng(0).uniform(0.1, 1, (H, W, 4, 3)))
    ax = field.plot(at=[(0, 0), (-1, -1), (30, 7), (0, 0)], zoom=2)
    positions = [(0, 0), (59, 79), (30, 7)]
    assert len(ax.images) == 3  # a position that is repeated is drawn once
    for artist, position in zip(ax.images, positions, strict=True):
        assert_draws(artist, field.at(*position), position)
        assert zoom_of(artist, (4, 3)) == 2
    # Kernels at the border are seen whole: rows 0 - 2 * 2.5 .. 59 + 2 * 1.5, and an odd number of columns.
    assert ax.get_ylim() == (62, -5)
    assert ax.get_xlim() == (-3, 82)


def test_true_to_scale_a_kernel_covers_the_samples_that_it_is_for():
    (artist,) = Dense(np.ones((H, W, 3, 3))).plot(at=(20, 30), zoom=1).images
    assert artist.get_extent() == [28.5, 31.5, 21.5, 18.5]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", "uint16", "int64", "bool"])
def test_over_an_image_in_grey(dtype):
    image = (np.random.default_rng(0).random((H, W)) * 200).astype(dtype)
    ax = Gaussian(2.0).plot(image, spacing=30)
    assert len(ax.images) == 1 + 4
    np.testing.assert_array_equal(ax.images[0].get_array(), image.astype(float))
    assert ax.images[0].get_cmap().name == "gray"
    assert tuple(ax.images[0].get_extent()) == (-0.5, W - 0.5, H - 0.5, -0.5)
    ax.figure.canvas.draw()


@pytest.mark.parametrize("colours", [3, 4])
def test_over_colours_in_grey(colours):
    image = np.random.default_rng(0).random((H, W, colours))
    ax = Gaussian(SIGMA).plot(image)
    np.testing.assert_allclose(ax.images[0].get_array(), image[..., :3].mean(axis=2))


def test_one_scale_for_all_kernels():
    field = Gaussian(SIGMA)
    positions = [(0, 0), (30, 40), (59, 79)]
    most = max(field.at(*p).max() for p in positions)
    for artist, position in zip(field.plot(at=positions, common=True).images, positions, strict=True):
        assert_draws(artist, field.at(*position), position, most)
        assert artist.get_clim() == (0, 1)


def test_colours_follow_the_signs():
    positive = Gaussian(1.0).plot(shape=(H, W))
    assert {a.get_cmap().name for a in positive.images} == {"viridis"}
    signed = Formula(lambda dy, dx, y: dy * (y - 30), 3, np.broadcast_to(np.arange(60)[:, None], (H, W)))
    ax = signed.plot(at=[(30, 1), (31, 1)])
    assert {a.get_cmap().name for a in ax.images} == {"RdBu_r"}
    assert {a.get_clim() for a in ax.images} == {(-1, 1)}
    assert Gaussian(1.0).plot(shape=(H, W), cmap="magma").images[0].get_cmap().name == "magma"


def test_weights_of_zero_show_the_image_and_nan_is_magenta():
    kernels = np.zeros((2, 9, 9))
    kernels[0, 4, 4] = 1
    kernels[1] = np.nan
    left = np.arange(W)[:, None, None] < 40
    field = Dense(np.broadcast_to(np.where(left, kernels[0], kernels[1]), (H, W, 9, 9)))
    fig = plt.figure(figsize=(8, 6), dpi=100)
    ax = fig.add_axes((0, 0, 1, 1))
    field.plot(np.full((H, W), 0.5), at=[(30, 20), (30, 60)], zoom=1, ax=ax)
    ax.images[0].set_clim(0, 1)
    fig.canvas.draw()
    pixels = np.asarray(fig.canvas.buffer_rgba())[..., :3] / 255
    grey, yellow = pixels[10, 10], mpl.colormaps["viridis"](1.0)[:3]
    np.testing.assert_allclose(grey, grey[0])
    np.testing.assert_allclose(pixels[305, 205], yellow, atol=0.01)  # ten painted pixels for each of the image
    np.testing.assert_allclose(pixels[305, 225], grey, atol=0.01)
    np.testing.assert_allclose(pixels[305, 605], (1, 0, 1), atol=0.01)


@pytest.mark.parametrize("scale", [0.0, 1e-310, 1e300])
def test_kernels_of_any_size(scale):
    ax = Dense(np.full((4, 4, 3, 3), scale)).plot()
    ax.figure.canvas.draw()
    assert (np.asarray(ax.images[0].get_array()) == (1 if scale else 0)).all()


def test_complex_kernels_show_their_magnitude():
    kernels = np.random.default_rng(0).normal(size=(2, 3, 3)) * (1 + 2j)
    field = Grid(kernels[:, None], ([0, 59], [0]))
    (artist,) = field.plot(shape=(H, W), at=(59, 3)).images
    assert_draws(artist, abs(kernels[1]), (59, 3))


def test_in_axes_of_ones_own_or_in_a_new_figure():
    fig, (left, right) = plt.subplots(1, 2)
    assert Gaussian(SIGMA).plot(ax=right) is right
    assert not left.images
    other = Gaussian(SIGMA).plot()
    assert other.figure is not fig


@pytest.mark.parametrize(
    ("field", "words", "error", "message"),
    [
        (Gaussian(1.0), {}, ArgumentError, r"plot\(image\), or plot\(shape=\(H, W\)\)"),
        (Gaussian(SIGMA), {"shape": (4, 5)}, ShapeError, r"\(60, 80\) from the field's maps, \(4, 5\) from shape="),
        (Gaussian(SIGMA), {"image": np.ones((80, 60))}, ShapeError, r"\(80, 60\) from the image"),
        (Gaussian(np.ones(5)), {}, ShapeError, r"two dimensions; got extents \(5,\)"),
        (Gaussian(1.0), {"shape": (2, 3, 4)}, ShapeError, "two dimensions"),
        (Gaussian(1.0), {"shape": (0, 3)}, ArgumentError, "shape must be at least 1"),
        (Gaussian(np.ones((0, 3))), {}, ShapeError, "without pixels"),
        (Gaussian(1.0), {"image": np.ones((2, 3, 5))}, ShapeError, r"\(H, W, 3\) for colours; got shape \(2, 3, 5\)"),
        (Gaussian(1.0), {"image": np.ones((2, 3), complex)}, ArgumentTypeError, "complex128"),
        (Gaussian(SIGMA), {"at": [(1, 2)], "spacing": 4}, ArgumentError, "at or spacing"),
        (Gaussian(SIGMA), {"at": [(1.5, 2)]}, ArgumentTypeError, "numpy.rint"),
        (Gaussian(SIGMA), {"at": [(1, 2, 3)]}, ShapeError, r"\(m, 2\); got shape \(1, 3\)"),
        (Gaussian(SIGMA), {"at": [(1, 2), (60, 2)]}, ArgumentError, r"inside the image.*\(60, 2\)"),
        (Gaussian(SIGMA), {"at": [(-61, 2)]}, ArgumentError, r"inside the image.*\(-61, 2\)"),
        (Gaussian(SIGMA), {"spacing": 0}, ArgumentError, "spacing must be at least 1"),
        (Gaussian(SIGMA), {"spacing": (1, 2, 3)}, ShapeError, "spacing"),
        (Gaussian(SIGMA), {"spacing": 2.5}, ArgumentTypeError, "spacing"),
        (Gaussian(SIGMA), {"zoom": 0}, ArgumentError, "zoom must be finite and above 0"),
        (Gaussian(SIGMA), {"zoom": "large"}, ArgumentTypeError, "zoom must be a number"),
        (Gaussian(SIGMA), {"ax": 3}, ArgumentTypeError, "matplotlib's Axes"),
    ],
)
def test_what_is_refused(field, words, error, message):
    with pytest.raises(error, match=message):
        field.plot(**words)
    assert not plt.get_fignums()


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"pip install 'kernelscape\[plot\]'"):
        Gaussian(SIGMA).plot()
