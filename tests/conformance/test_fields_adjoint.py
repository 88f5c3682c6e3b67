"""The two forms of one field are exact adjoints, whatever the field, the mode and the number of threads.

A convolution scattered is the Hermitian adjoint of the correlation gathered, and a correlation scattered that of the
convolution gathered: ``<A x, y> = <x, A^H y>`` to 1e-13 of the product of the norms. With any number of threads a
scatter gives the same bits, again and again, although many sources send to the same place.
"""

import functools
import itertools

import numpy as np
import pytest

import kernelscape as ks
from tests.conformance.field_cases import FIELDS, POSITIVE, field_case

MODES = ("reflect", "mirror", "nearest", "wrap", "constant", "shrink")
WORKERS = (1, 2, 4, 8, 16)
EXTENTS = {1: (10,), 2: (41, 67), 3: (3, 4, 5)}
SIZES = {1: (4,), 2: (3, 4), 3: (2, 3, 3)}


@pytest.fixture(autouse=True)
def no_work_is_too_small_for_threads(monkeypatch):
    monkeypatch.setattr("kernelscape.execute.executable.INLINE_SECONDS", 0.0)


@functools.lru_cache
def kept_case(name, ndim):
    return field_case(name, EXTENTS[ndim], SIZES[ndim])


def pair(ndim, *, is_complex):
    rng = np.random.default_rng(ndim)
    x, y = rng.normal(size=(2, *EXTENTS[ndim]))
    return (x + 1j * y[::-1], y - 2j * x) if is_complex else (x, y)


def assert_adjoint(forward, x, back, y):
    """The inner products of (A x, y) and (x, A^H y) are one number."""
    __tracebackhide__ = True
    there, here = np.vdot(forward, y), np.vdot(x, back)
    scale = np.linalg.norm(forward) * np.linalg.norm(y)
    assert abs(there - here) <= 1e-13 * scale, f"<Ax, y> = {there!r}, <x, A^H y> = {here!r}, |Ax| |y| = {scale!r}"


@pytest.mark.parametrize(
    ("name", "ndim"), [(name, ndim) for name, (_, dimensions) in FIELDS.items() for ndim in dimensions]
)
def test_scatter_is_the_adjoint_of_gather(name, ndim):
    case = kept_case(name, ndim)
    field = case.make()
    x, y = pair(ndim, is_complex="complex" in name)
    modes = MODES if ndim == 2 else ("reflect", "shrink")
    pairs = [(ks.correlate, ks.convolve), (ks.convolve, ks.correlate)]
    for workers, mode in zip(itertools.cycle(WORKERS), [*modes, ("wrap", "mirror", "nearest")[:ndim]], strict=False):
        words = {"mode": mode if ndim > 1 or isinstance(mode, str) else mode[0], "workers": workers}
        for forward, back in pairs if ndim < 3 else pairs[:1]:
            assert_adjoint(forward(x, field, **words), x, back(y, field, form="scatter", **words), y)


@pytest.mark.parametrize("name", [*POSITIVE, "dense, complex", "grid, complex"])
def test_normalised_sources_keep_the_adjoint(name):
    field = kept_case(name, 2).make()
    if name not in POSITIVE:  # so that no sum is noise
        field = ks.kernels.Dense(field.dense(EXTENTS[2]) + 3)
    x, y = pair(2, is_complex=False)
    for mode in ("shrink", "nearest"):
        words = {"mode": mode, "normalize": True, "workers": 4}
        for forward, back in [(ks.correlate, ks.convolve), (ks.convolve, ks.correlate)]:
            assert_adjoint(forward(x, field, **words), x, back(y, field, form="scatter", **words), y)


@pytest.mark.parametrize("name", FIELDS)
def test_threads_change_no_bit(name):
    field, mode = kept_case(name, 2).make(), MODES[list(FIELDS).index(name) % len(MODES)]
    x, _ = pair(2, is_complex=False)
    for call, form in itertools.product((ks.correlate, ks.convolve), ("gather", "scatter")):
        wanted = call(x, field, form=form, mode=mode, workers=1).tobytes()
        for workers in WORKERS:
            for _ in range(30 if call is ks.convolve and form == "scatter" else 2):
                assert call(x, field, form=form, mode=mode, workers=workers).tobytes() == wanted


# -- linear operators --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["gather", "scatter"])
@pytest.mark.parametrize("name", ["dense", "dense, complex", "gaussian", "grid", "scattered", "polynomials"])
def test_linear_operators(name, form):
    case = field_case(name, (7, 5), (3, 4), seed=1)
    field = case.make()
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 7, 5))
    mode = "reflect" if form == "gather" else "shrink"
    operator = ks.linear_operator((7, 5), field, form=form, mode=mode)
    assert operator.shape == (35, 35)
    assert operator.dtype == (np.complex128 if "complex" in name else np.float64)
    forward, back = operator.matvec(x.ravel()), operator.rmatvec(y.ravel())
    assert forward.shape == back.shape == (35,)
    assert_adjoint(forward, x.ravel(), back, y.ravel())
    wanted = ks.correlate(x, field, form=form, mode=mode)
    np.testing.assert_array_equal(forward.reshape(7, 5), wanted)
    matrix = operator @ np.eye(35)
    np.testing.assert_allclose(operator.H @ np.eye(35), matrix.conj().T, rtol=1e-13, atol=1e-15)


def test_linear_operators_of_arrays():
    from scipy import ndimage
    from scipy.sparse.linalg import LinearOperator, lsqr

    kernel = np.array([[0.0, 1, 2], [3, 20, 5]])
    operator = ks.linear_operator((8, 9), kernel, mode="nearest")
    assert isinstance(operator, LinearOperator)
    x = np.random.default_rng(2).normal(size=(8, 9))
    wanted = ndimage.correlate(x, kernel, mode="nearest")
    np.testing.assert_allclose(operator.matvec(x.ravel()).reshape(8, 9), wanted, rtol=1e-13)
    found = lsqr(operator, wanted.ravel(), atol=1e-14, btol=1e-14, iter_lim=300)[0]
    np.testing.assert_allclose(found.reshape(8, 9), x, atol=1e-8)


def test_the_comparison_can_fail():
    x, y = pair(2, is_complex=True)
    assert_adjoint(x, x, y, y)
    with pytest.raises(AssertionError, match="A\\^H y"):
        assert_adjoint(x, x, y * (1 + 1e-9), y)
