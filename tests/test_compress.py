"""`kernels.compress`: what it makes of fields of all kinds, and that its certificate holds at every pixel.

The certificate is compared with all kernels of both fields, written out in float64. What is not compared is the basis
itself: any that keeps the promise will do.
"""

import subprocess
import sys

import numpy as np
import pytest

import kernelscape as ks
from kernelscape.errors import ArgumentError, ArgumentTypeError, MemoryBudgetError, ShapeError
from kernelscape.kernels import (
    Chebyshev,
    Combination,
    Dense,
    Disc,
    Formula,
    Gaussian,
    Grid,
    LowRank,
    Scattered,
    Separable,
    compress,
    materialize,
)
from kernelscape.kernels.certificate import Certificate

EXTENTS = (19, 23)
rng = np.random.default_rng(7)
SIGMA = rng.uniform(0, 1.5, EXTENTS)
NODES = rng.normal(size=(2, 3, 5, 4))

FIELDS = {
    "gaussian": Gaussian(SIGMA),
    "gaussian of one size": Gaussian(SIGMA + 0.5, size=(7, 6)),
    "oriented": Gaussian(SIGMA + 0.5, 0.7, angle=SIGMA, size=5),
    "not normalised": Gaussian(SIGMA, normalize=False),
    "disc": Disc(2 * SIGMA),
    "dense": Dense(rng.normal(size=(*EXTENTS, 2, 3))),
    "separable": Separable(rng.normal(size=(*EXTENTS, 3)), rng.normal(size=(*EXTENTS, 2))),
    "formula": Formula(lambda dy, dx, s, y: np.exp(-(dy**2 + dx**2) / (s + 1)) * y, 5, SIGMA, ks.index(0)),
    "grid": Grid(NODES, ([2, 15], [0, 8, 20])),
    "scattered": Scattered(NODES.reshape(6, 5, 4), rng.uniform(0, 19, (6, 2))),
    "combination": Combination(NODES[0], rng.normal(size=(3, *EXTENTS))),
    "polynomials": Combination(NODES[0], Chebyshev(rng.normal(size=(3, 2, 2)))),
    "complex": Combination(NODES[0] + 1j * NODES[1], rng.normal(size=(3, *EXTENTS))),
    "one axis": Gaussian(np.linspace(0.2, 3, 40)),
    "three axes": Gaussian(rng.uniform(0.2, 0.6, (5, 6, 7))),
}


def dense_of(field, extents):
    """All kernels in float64, one per row; those of few basis kernels from these, since arrays have a field's dtype."""
    if isinstance(field, LowRank):
        wide = field.coefficients.reshape(len(field.basis), -1).T.astype(np.float64)
        return wide @ field.basis.reshape(len(field.basis), -1).astype(np.result_type(field.basis, np.float64))
    parts = [field.real] if field.imag is None else [field.real, field.imag]
    rows = [part.dense(extents).reshape(int(np.prod(extents)), -1).astype(np.float64) for part in parts]
    return rows[0] if len(rows) == 1 else rows[0] + 1j * rows[1]


def assert_certified(few, field, extents):
    """The differences of all kernels are within the certificate, which is not far above them."""
    kernels = dense_of(field, extents)
    left = kernels - dense_of(few, extents)
    norm = np.abs(kernels).sum(1).max()
    found = {
        "l1": np.abs(left).sum(1).max(),
        "l2": np.sqrt((np.abs(left) ** 2).sum(1)).max(),
        "mean": np.abs(left.sum(1)).max(),
    }
    slack = 1e-10 * norm
    for name, value in found.items():
        assert value <= getattr(few.error, name) + 1e-14 * norm, name
        assert getattr(few.error, name) <= value * (1 + 1e-5) + slack, name
    assert norm * (1 - 1e-6) <= few.error.norm <= norm * (1 + 1e-12)


@pytest.mark.parametrize("tol", [1e-2, 1e-6])
@pytest.mark.parametrize("name", FIELDS)
def test_the_certificate_holds_at_every_pixel(name, tol):
    field = FIELDS[name]
    extents = field.extents or EXTENTS
    few = compress(field, tol, extents)
    assert isinstance(few, LowRank)
    assert few.extents == extents
    assert few.error.l1 <= tol * few.error.norm
    assert few.error.relative <= tol
    assert_certified(few, field, extents)


def test_a_certificate_that_is_too_small_is_noticed():
    few = compress(FIELDS["gaussian"], 1e-2)
    lie = Certificate(few.error.l1 / 2, few.error.l2, few.error.mean, few.error.norm)
    with pytest.raises(AssertionError, match="l1"):
        assert_certified(LowRank(few.basis, few.coefficients, error=lie), FIELDS["gaussian"], EXTENTS)


def test_the_basis_is_orthonormal_and_no_larger_than_needed():
    few = compress(FIELDS["grid"], 1e-9, EXTENTS)
    lines = few.basis.reshape(len(few.basis), -1)
    np.testing.assert_allclose(lines @ lines.T, np.eye(len(lines)), atol=1e-12)
    assert len(lines) <= 6
    assert len(compress(FIELDS["combination"], 1e-9).basis) <= 3
    assert len(compress(FIELDS["gaussian"], 1e-1).basis) < len(compress(FIELDS["gaussian"], 1e-4).basis)


def test_a_single_pixel_with_a_kernel_of_its_own_is_found():
    weights = np.zeros((60, 50, 3, 3))
    weights[..., 1, 1] = 1.0
    weights[37, 11] = rng.normal(size=(3, 3))
    few = compress(Dense(weights), 1e-3)
    assert len(few.basis) == 2
    assert_certified(few, Dense(weights), (60, 50))


def test_kernels_of_all_pixels_are_never_an_array(monkeypatch):
    def refused(*_):
        raise AssertionError("the field was written out")

    monkeypatch.setattr(materialize, "dense_array", refused)
    monkeypatch.setattr(materialize, "written_out", refused)
    assert len(compress(FIELDS["gaussian"], 1e-3).basis) > 1


def test_it_is_the_same_for_any_number_of_workers():
    one, *others = [compress(FIELDS["oriented"], 1e-3, workers=n) for n in (1, 2, 3)]
    for other in others:
        np.testing.assert_array_equal(one.basis, other.basis)
        np.testing.assert_array_equal(one.coefficients, other.coefficients)
        assert one.error == other.error


@pytest.mark.parametrize(("tol", "dtype"), [(1e-2, "f4"), (1e-5, "f4"), (1e-7, "f8")])
def test_numbers_have_the_dtype_of_the_field_or_a_wider_one(tol, dtype):
    field = Gaussian(SIGMA.astype("f4"), size=5)
    few = compress(field, tol)
    assert few.basis.dtype == few.coefficients.dtype == np.dtype(dtype)
    assert_certified(few, Gaussian(SIGMA.astype("f4").astype("f8"), size=5), EXTENTS)


def test_a_field_of_zeros():
    few = compress(Dense(np.zeros((4, 5, 3, 3))), 1e-3)
    assert few.error.l1 == few.error.relative == 0.0
    assert not few.dense().any()


def test_filters_keep_the_certificate():
    image = rng.normal(size=EXTENTS) + 5
    field = FIELDS["oriented"]
    few = compress(field, 1e-3)
    for run in (ks.correlate, ks.convolve):
        distance = np.abs(run(image, few) - run(image, field)).max()
        assert 0 < distance <= few.error.l1 * np.abs(image).max()


def test_the_certificate_stays_with_the_parts_of_a_complex_field():
    few = compress(FIELDS["complex"], 1e-6)
    assert few.real.error == few.error == few.imag.error
    assert LowRank(np.ones((1, 3)), np.ones((1, 4))).error is None


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "tol", "words", "error", "text"),
    [
        (np.ones((3, 3)), 1e-3, {}, ArgumentTypeError, "needs a kernel field"),
        ("gaussian", "small", {}, ArgumentTypeError, "tol must be a number; got 'small'"),
        ("gaussian", True, {}, ArgumentTypeError, "tol must be a number"),
        ("gaussian", 0, {}, ArgumentError, "tol must be positive and finite; got 0"),
        ("gaussian", -1.0, {}, ArgumentError, "tol must be positive"),
        ("gaussian", np.inf, {}, ArgumentError, "tol must be positive"),
        ("gaussian", 1e-3, {"max_rank": 2}, ArgumentError, "max_rank=2 basis kernels do not represent Gaussian"),
        ("gaussian", 1e-3, {"max_rank": 0}, ArgumentError, "max_rank must be at least 1; got 0"),
        ("gaussian", 1e-3, {"max_rank": 2.0}, ArgumentTypeError, "max_rank must be an integer; got 2.0"),
        ("gaussian", 1e-3, {"shape": (4, 5)}, ShapeError, "maps of shape"),
        ("grid", 1e-3, {}, ArgumentError, r"say which: compress\(\.\.\., shape=\(H, W\)\)"),
        ("grid", 1e-3, {"shape": (4, 0)}, ArgumentError, "must be at least 1; got 0"),
        ("dense", 1e-17, {}, ArgumentError, "below what rounding allows"),
    ],
)
def test_errors_say_what_to_do(field, tol, words, error, text):
    with pytest.raises(error, match=text):
        compress(FIELDS[field] if isinstance(field, str) else field, tol, **words)


@pytest.mark.parametrize("place", [(0, 0), (13, 6)])
def test_kernels_that_are_not_finite_are_named(place):
    weights = np.ones((20, 30, 2, 2))
    weights[(*place, 1, 0)] = np.nan
    with pytest.raises(ArgumentError, match=rf"the one at \({place[0]}, {place[1]}\) holds NaN"):
        compress(Dense(weights), 1e-2)


def test_maps_that_do_not_fit_into_memory_are_refused():
    with ks.configure(memory_budget=10_000), pytest.raises(MemoryBudgetError, match=r"memory_budget=\d+"):
        compress(FIELDS["gaussian"], 1e-3)


def test_fields_do_not_load_the_engine():
    code = (
        "import sys, kernelscape.kernels; print('kernelscape.api' in sys.modules, hasattr(kernelscape.kernels, 'no'))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.split() == ["False", "False"]
