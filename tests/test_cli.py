"""The command: real files through `main` and through new processes, compared with NumPy on padded windows.

What is compared: the samples, dtype, axes and alpha of the written file with the definition, for every flag; the exit
code and the text of every mistake; that a mistake never touches the output. Not compared here: the library's results
beyond one oracle for each flag, which have tests of their own.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from kernelscape.cli import main
from kernelscape.cli.arguments import sources
from kernelscape.cli.images import computing_dtype, line_up
from kernelscape.cli.kernel_names import FOOTPRINTS, KERNELS, named
from kernelscape.errors import ArgumentError, ShapeError
from kernelscape.io import Image, read, write

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (13, 11), dtype=np.uint8)
OTHER = RNG.integers(0, 256, (13, 11), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (13, 11, 3), dtype=np.uint8)
CLEAR = RNG.integers(0, 256, (13, 11, 4), dtype=np.uint8)
FLOAT = RNG.normal(0, 5, (13, 11)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write("grey.png", GREY)
    write("other.png", OTHER)
    write("colour.png", COLOUR)
    write("clear.png", CLEAR)
    write("float.tif", FLOAT)
    return tmp_path


def run(*arguments: str) -> np.ndarray:
    """Run the command in this process and give what it wrote."""
    output = next(arguments[i + 1] for i, word in enumerate(arguments) if word == "-o")
    assert main(arguments) == 0
    return read(output).array


def windows(image: np.ndarray, size: int, mode: str = "symmetric", **keywords: float) -> np.ndarray:
    """All windows around the pixels of the first two axes, as two last axes."""
    reach = size // 2
    padded = np.pad(image, [(reach, size - 1 - reach)] * 2 + [(0, 0)] * (image.ndim - 2), mode=mode, **keywords)
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))


def saturated(values: np.ndarray, dtype: type = np.uint8) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)


def assert_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], *texts: str) -> None:
    """The command says what is wrong in a message without traceback, gives code 2, and writes no file."""
    before = sorted(os.listdir())
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("kernelscape: error: ")
    assert "Traceback" not in err
    for text in texts:
        assert text in err
    assert sorted(os.listdir()) == before


def test_assert_refused_can_fail(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, text in ((["info"], ""), (["apply", "w", "grey.png", "-o", "a.txt"], "another text")):
        with pytest.raises(AssertionError):
            assert_refused(capsys, arguments, text)


# --- apply


def test_median_of_a_photograph(folder: Path) -> None:
    result = run("apply", "np.median(w)", "grey.png", "-o", "out.png", "--size", "5", "--mode", "reflect")
    assert_same(result, np.median(windows(GREY, 5), axis=(2, 3)).astype(np.uint8))


def test_integers_are_computed_in_floating_point_and_saturate(folder: Path) -> None:
    result = run("apply", "2 * np.mean(w) - 100", "grey.png", "-o", "out.png", "--size", "3")
    exact = 2 * np.mean(windows(GREY, 3).astype(np.float64), axis=(2, 3)) - 100
    assert (exact < 0).any()
    assert (exact > 255).any()
    assert np.abs(result - saturated(exact).astype(int)).max() <= 1
    assert_same(result[exact < -1], np.zeros((exact < -1).sum(), np.uint8))
    half = run("apply", "w[0, 0] + 0.5", "grey.png", "-o", "out.png", "--size", "1")
    assert_same(half, saturated(GREY + 0.5))  # half to even


def test_16_bit_and_32_bit_integers_keep_their_bits(folder: Path) -> None:
    for dtype, value in ((np.uint16, 65535), (np.uint32, 2**32 - 1), (np.int32, -(2**31) + 1)):
        image = np.full((5, 4), value, dtype)
        write("deep.tif", image)
        assert_same(run("apply", "np.max(w)", "deep.tif", "-o", "out.tif", "--size", "3"), image)


def test_dtype_says_how_to_compute_and_output_dtype_how_to_store(folder: Path) -> None:
    natural = run("apply", "np.sum(w)", "grey.png", "-o", "out.tif", "--size", "3", "--dtype", "int32")
    sums = np.sum(windows(GREY, 3).astype(np.int32), axis=(2, 3))
    assert_same(natural, np.sum(np.ones(1, np.int32)).dtype.type(1) * sums)
    stored = run("apply", "np.sum(w)", "grey.png", "-o", "out.tif", "--size", "3", "--output-dtype", "int16")
    assert_same(stored, sums.astype(np.int16))


def test_floating_images_stay_floating(folder: Path) -> None:
    result = run("apply", "np.max(w) - np.min(w)", "float.tif", "-o", "out.tif", "--size", "3")
    assert_same(result, np.ptp(windows(FLOAT, 3), axis=(2, 3)))


def test_true_and_false_become_black_and_white(folder: Path) -> None:
    result = run("apply", "np.mean(w) > 128", "grey.png", "-o", "out.png", "--size", "3")
    expected = np.mean(windows(GREY, 3).astype(np.float32), axis=(2, 3)) > 128
    assert_same(result, expected.astype(np.uint8) * 255)


def test_two_images_by_letter_and_by_name(folder: Path) -> None:
    flags = ["--size", "3", "--mode", "nearest", "--output-dtype", "float32"]
    a, b = (windows(image, 3, "edge").astype(np.float32) for image in (GREY, OTHER))
    expected = np.sum(a**2 - b**2, axis=(2, 3))
    letters = run("apply", "np.sum(a**2 - b**2)", "grey.png", "other.png", "-o", "out.tif", *flags)
    assert_same(letters, expected)
    named_ = run("apply", "np.sum(one**2 - b**2)", "one=grey.png", "other.png", "-o", "out.tif", *flags)
    assert_same(named_, expected)


def test_the_window_of_a_single_input_has_two_names(folder: Path) -> None:
    for word in ("w", "a"):
        result = run("apply", f"np.max({word})", "grey.png", "-o", "out.png", "--size", "3")
        assert_same(result, np.max(windows(GREY, 3), axis=(2, 3)))


def test_shrinking_windows(folder: Path) -> None:
    result = run("apply", "np.sum(w)", "grey.png", "-o", "o.tif", "--size", "3", "--mode", "shrink", "--dtype", "int64")
    padded = np.pad(GREY.astype(np.int64), 1)
    expected = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).sum(axis=(2, 3))
    assert_same(result, expected)


def test_colours_are_filtered_one_by_one(folder: Path) -> None:
    result = run("apply", "np.median(w)", "colour.png", "-o", "out.png", "--size", "3")
    assert_same(result, np.median(windows(COLOUR, 3), axis=(3, 4)).astype(np.uint8))


def test_alpha_is_kept_or_filtered(folder: Path) -> None:
    kept = run("apply", "np.max(w)", "clear.png", "-o", "out.png", "--size", "3")
    largest = np.max(windows(CLEAR, 3), axis=(3, 4))
    assert_same(kept[..., :3], largest[..., :3])
    assert_same(kept[..., 3], CLEAR[..., 3])
    assert read("out.png").alpha
    assert_same(run("apply", "np.max(w)", "clear.png", "-o", "out.png", "--size", "3", "--alpha", "filter"), largest)


@pytest.mark.parametrize(
    "flags",
    [["--stride", "2"], ["--stride", "2", "--padding", "valid"], ["--padding", "full"], ["--padding", "1,0;0,2"]],
    ids=" ".join,
)
def test_kept_alpha_follows_the_anchors(flags: list[str], folder: Path) -> None:
    opaque = run("apply", "w[1, 1]", "colour.png", "-o", "opaque.png", "--size", "3", *flags)
    same_centres = np.dstack([COLOUR, COLOUR[..., 1]])
    write("image.png", same_centres)
    clear = run("apply", "w[1, 1]", "image.png", "-o", "clear.png", "--size", "3", *flags)
    assert_same(clear, np.dstack([opaque, opaque[..., 1]]))
    by_kernel = run("correlate", "image.png", "-o", "clear.png", "--kernel", "laplacian", *flags)
    assert_same(by_kernel[..., 3], opaque[..., 1])


def test_a_grey_mask_fits_a_colour_photograph(folder: Path) -> None:
    result = run("apply", "np.max(a * (b > 128))", "colour.png", "other.png", "-o", "out.png", "--size", "3")
    masked = COLOUR * (OTHER > 128)[..., None]
    assert_same(result, np.max(windows(masked, 3), axis=(3, 4)))


def test_pages_are_batches(folder: Path) -> None:
    stack = RNG.integers(0, 65536, (3, 9, 8), dtype=np.uint16)
    write("stack.tif", stack, axes="pyx")
    result = run("apply", "np.max(w)", "stack.tif", "-o", "out.tif", "--size", "3")
    assert_same(result, np.stack([np.max(windows(page, 3), axis=(2, 3)) for page in stack]))
    assert read("out.tif").axes == "pyx"
    volume = run("apply", "np.max(w)", "stack.tif", "-o", "out.tif", "--size", "3", "--axes", "0,1,2")
    assert_same(volume[1], result.max(axis=0))


def test_numpy_files_of_one_and_of_three_axes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = np.arange(9.0)
    write("line.npy", line)
    assert_same(run("apply", "np.max(w)", "line.npy", "-o", "o.npy", "--size", "3"), np.minimum(line + 1, 8))
    write("three.npy", COLOUR.astype(np.float32))
    command = ["apply", "np.max(w)", "three.npy", "-o", "out.npy", "--size", "3"]
    assert_refused(capsys, command, "--axes 0,1 if its last axis is colour, --axes 0,1,2 if windows lie over all axes")
    expected = np.max(windows(COLOUR, 3), axis=(3, 4)).astype(np.float32)
    assert_same(run(*command, "--axes", "0,1"), expected)
    assert run(*command, "--axes", "0,1,2").shape == COLOUR.shape


def test_stride_padding_dilation_and_origin(folder: Path) -> None:
    valid = np.lib.stride_tricks.sliding_window_view(GREY, (2, 3))
    flags = ["--size", "2,3", "--padding", "valid"]
    assert_same(run("apply", "np.max(w)", "grey.png", "-o", "o.png", *flags), valid.max(axis=(2, 3)))
    strided = run("apply", "np.max(w)", "grey.png", "-o", "o.png", *flags, "--stride", "2,3")
    assert_same(strided, valid[::2, ::3].max(axis=(2, 3)))
    dilated = run("apply", "np.max(w)", "grey.png", "-o", "o.png", *flags, "--dilation", "3,2")
    wide = np.lib.stride_tricks.sliding_window_view(GREY, (4, 5))[..., ::3, ::2]
    assert_same(dilated, wide.max(axis=(2, 3)))
    padded = np.lib.stride_tricks.sliding_window_view(np.pad(GREY, ((1, 0), (0, 2))), (2, 3))
    flags = ["--size", "2,3", "--padding", "1,0;0,2", "--mode", "constant"]
    assert_same(run("apply", "np.max(w)", "grey.png", "-o", "o.png", *flags), padded.max(axis=(2, 3)))
    shifted = run("apply", "w[0, 0]", "grey.png", "-o", "o.png", "--size", "3", "--origin=-1,0", "--mode", "wrap")
    assert_same(shifted, np.roll(GREY, (0, 1), (0, 1)))
    outside = run("apply", "np.max(w)", "grey.png", "-o", "o.png", "--size", "3", "--mode", "constant", "--cval", "-7")
    assert_same(
        outside, np.max(windows(GREY.astype(float), 3, "constant", constant_values=-7), (2, 3)).astype(np.uint8)
    )


@pytest.mark.parametrize("text", ["disk:2", "cross:1", "diamond:2", "box:1,3", "shape.npy"])
def test_footprints(text: str, folder: Path) -> None:
    write("shape.npy", np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]]))
    mask = read("shape.npy").array.astype(bool) if "." in text else named("footprint", text, FOOTPRINTS)
    result = run("apply", "np.max(w)", "grey.png", "-o", "out.png", "--footprint", text, "--mode", "constant")
    rows, columns = mask.shape
    padded = np.pad(GREY, ((rows // 2, rows // 2), (columns // 2, columns // 2)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, mask.shape)
    assert_same(result, np.max(seen[..., mask], axis=-1))


def test_kernel_in_an_expression(folder: Path) -> None:
    weights = np.array([[1.0, 0.5], [0.25, 2.0]])
    write("weights.npy", weights)
    result = run("apply", "np.max(w * k)", "grey.png", "-o", "out.png", "--kernel", "weights.npy")
    padded = np.pad(GREY, ((1, 0), (1, 0)), mode="symmetric")
    seen = np.lib.stride_tricks.sliding_window_view(padded, (2, 2))
    assert_same(result, saturated(np.max(seen * weights, axis=(2, 3))))


def test_a_kernel_from_the_position(folder: Path) -> None:
    text = "np.sum(w * np.exp(-(dx**2 + dy**2) / (y + 1)))"
    result = run("apply", text, "grey.png", "-o", "o.tif", "--size", "5", "--output-dtype", "float64")
    dy, dx = np.mgrid[-2:3, -2:3]
    rows = np.arange(13)[:, None, None, None]
    expected = np.sum(windows(GREY, 5) * np.exp(-(dx**2 + dy**2) / (rows + 1.0)), axis=(2, 3))
    np.testing.assert_allclose(result, expected, rtol=2e-6)
    ramp = run("apply", "100 * y + x + index(0)", "grey.png", "-o", "o.tif", "--size", "1", "--output-dtype", "int32")
    assert_same(ramp, (101 * np.arange(13)[:, None] + np.arange(11)).astype(np.int32))


def test_offsets_follow_footprint_origin_and_dilation(folder: Path) -> None:
    flags = ["--mode", "wrap", "--output-dtype", "int32"]
    full = run("apply", "np.max(dy) + 0 * w[0, 0]", "grey.png", "-o", "o.tif", "--size", "4", *flags)
    assert_same(full, np.full(GREY.shape, 1, np.int32))
    moved = ["--size", "3", "--origin", "1,0", "--dilation", "2", *flags]
    shifted = run("apply", "10 * np.max(dy) + np.max(dx) + 0 * w[0, 0]", "grey.png", "-o", "o.tif", *moved)
    assert_same(shifted, np.full(GREY.shape, 2, np.int32))
    round_ = run("apply", "np.sum(dx * dx) + 0 * w[0]", "grey.png", "-o", "o.tif", "--footprint", "cross:2", *flags)
    assert_same(round_, np.full(GREY.shape, 10, np.int32))


def test_maps_are_seen_at_the_pixel(folder: Path) -> None:
    result = run(
        "apply", "np.max(w) if m > 128 else np.min(w)", "grey.png", "--map", "m=other.png", "-o", "o.png", "--size", "3"
    )
    seen = windows(GREY, 3)
    assert_same(result, np.where(OTHER > 128, seen.max(axis=(2, 3)), seen.min(axis=(2, 3))))


# --- linear filters


def test_correlate_and_convolve(folder: Path) -> None:
    seen = windows(GREY, 3).astype(np.float64)
    kernel = named("kernel", "sobel-x", KERNELS)
    expected = np.sum(seen * kernel, axis=(2, 3))
    flags = ["--kernel", "sobel-x", "--output-dtype", "float32", "-o", "out.tif"]
    assert_same(run("correlate", "grey.png", *flags), expected.astype(np.float32))
    assert_same(run("convolve", "grey.png", *flags), (-expected).astype(np.float32))
    assert_same(run("apply", "grey.png", *flags), expected.astype(np.float32))
    assert_same(run("correlate", "grey.png", "--kernel", "sobel-x", "-o", "out.png"), saturated(expected))


def test_colours_are_correlated_one_by_one(folder: Path) -> None:
    result = run("correlate", "colour.png", "--kernel", "gaussian:0.8", "-o", "out.tif", "--output-dtype", "float32")
    kernel = named("kernel", "gaussian:0.8", KERNELS)
    expected = np.sum(windows(COLOUR, len(kernel)) * kernel, axis=(3, 4))
    np.testing.assert_allclose(result, expected, rtol=1e-5)


@pytest.mark.parametrize("name", KERNELS)
def test_every_named_kernel_does_what_its_summary_says(name: str) -> None:
    kernel = named(
        "kernel", name + (":2" if 1 in KERNELS[name].counts and 0 not in KERNELS[name].counts else ""), KERNELS
    )
    assert kernel.ndim == 2
    assert kernel.dtype == np.float64
    derivative = name.startswith(("sobel", "prewitt", "scharr", "laplacian", "log"))
    np.testing.assert_allclose(kernel.sum(), 0 if derivative else 1, atol=1e-12)
    if name.endswith(("-x", "-y")):
        rows, columns = np.mgrid[-1:2, -1:2]
        along, across = (columns, rows) if name.endswith("x") else (rows, columns)
        assert np.sum(kernel * along) > 0
        assert np.sum(kernel * across) == 0
    if name in ("laplacian", "log"):
        reach = len(kernel) // 2
        rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        np.testing.assert_allclose(np.sum(kernel * (rows**2 + columns**2)), 4, rtol=0.02)


def test_gaussian_has_its_variance_and_matches_scipy() -> None:
    from scipy import ndimage

    kernel = named("kernel", "gaussian:1.5", KERNELS)
    impulse = np.zeros((21, 21))
    impulse[10, 10] = 1
    reach = len(kernel) // 2
    seen = ndimage.gaussian_filter(impulse, 1.5)[10 - reach : 11 + reach, 10 - reach : 11 + reach]
    np.testing.assert_allclose(kernel, seen, atol=1e-15)


@pytest.mark.parametrize("name", FOOTPRINTS)
def test_every_named_footprint_is_a_symmetric_mask(name: str) -> None:
    mask = named("footprint", f"{name}:3", FOOTPRINTS)
    assert mask.dtype == np.bool_
    assert mask.any()
    np.testing.assert_array_equal(mask, mask[::-1, ::-1])
    np.testing.assert_array_equal(mask, mask.T)


# --- explain, info, demo


def test_explain_prints_the_plan_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(os.listdir())
    assert main(["explain", "np.median(w)", "grey.png", "--size", "5"]) == 0
    median = capsys.readouterr().out
    assert len(median) > 20
    assert main(["explain", "grey.png", "--kernel", "sobel-x"]) == 0
    assert capsys.readouterr().out not in ("", median)
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    "words",
    [["np.median(w)", "grey.png", "--size", "3"], ["grey.png", "--kernel", "gaussian:2"]],
    ids=["function", "kernel"],
)
def test_explain_measures_what_it_explains(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(["explain", *words, "--profile", "--repeat", "2", "--workers", "1"]) == 0
    explained, _, profiled = capsys.readouterr().out.partition("\n\n")
    assert "methods:" in explained
    assert profiled.startswith("profile: ")
    assert "1 worker, fastest of 2 calls" in profiled
    assert "first call" in profiled


def test_methods_are_forced_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "np.sum(w)", "grey.png", "--size", "9", "--method", "direct"]) == 0
    assert capsys.readouterr().out.startswith("plan: direct,")
    assert main(["explain", "grey.png", "--kernel", "box:9", "--method", "fft"]) == 0
    assert "method: fft (" in capsys.readouterr().out
    assert main(["explain", "np.sum(w)", "grey.png", "--size", "9", "--method", "separable"]) == 2
    assert "method='separable' does not apply here" in capsys.readouterr().err
    for method in ("fft", "direct"):
        words = ["correlate", "grey.png", "--kernel", "gaussian:2", "--method", method, "-o", f"{method}.npy"]
        assert main([*words, "--output-dtype", "float32"]) == 0
    np.testing.assert_allclose(np.load("fft.npy"), np.load("direct.npy"), rtol=1e-4, atol=1e-3)


def test_info_names_versions_and_folders(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for line in (rf"numpy: +{np.__version__}", r"llvmlite: +\d", r"compiles for: +\S", r"cache: +\S"):
        assert re.search(line, out)


def test_demo_checks_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--output", str(tmp_path / "pictures")]) == 0
    out = capsys.readouterr().out
    assert "every check held" in out
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert [picture.name[:2] for picture in pictures] == ["1-", "2-", "3-", "4-"]
    for picture in pictures:
        image = read(picture)
        assert image.axes == "yxc"
        assert image.array.std() > 10, "a picture, not a blank sheet"
    assert len(re.findall(r"\d (ms|s)\b", out)) == 8


def test_demo_reports_a_wrong_result(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr("kernelscape.cli.demo.SUMS", np.zeros((6, 6)))
    assert main(["demo", "--output", str(tmp_path)]) == 1
    assert "1 of the checks FAILED" in capsys.readouterr().out


def test_demo_into_a_file_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(capsys, ["demo", "--output", "grey.png"], "Cannot make the folder 'grey.png'")


# --- mistakes

MISTAKES = {
    "an unknown word": (["apply", "np.meidan(w)", "grey.png", "--size", "3"], "did you mean 'np.median'", "^ column 1"),
    "code": (["apply", "__import__('os').system('touch x')", "grey.png", "--size", "3"], "Unknown"),
    "no window": (["apply", "np.median(w)", "grey.png"], "--size 5"),
    "no file": (["apply", "np.median(w)", "gray.png", "--size", "3"], "Cannot read 'gray.png': No such file"),
    "one argument": (["apply", "np.median(w)", "--size", "3"], "at least one image"),
    "a folder": (["apply", "np.median(w)", ".", "--size", "3"], "it is a folder"),
    "an unknown mode": (
        ["apply", "np.median(w)", "grey.png", "--size", "3", "--mode", "reflct"],
        "did you mean 'reflect'",
    ),
    "no number": (["apply", "w", "grey.png", "--size", "three"], "argument --size: expected a whole number", "'three'"),
    "an empty window": (["apply", "np.max(w)", "grey.png", "--size", "0"], "size"),
    "a negative window": (["apply", "np.max(w)", "grey.png", "--size=-3"], "size"),
    "too many extents": (["apply", "np.max(w)", "grey.png", "--size", "3,3,3"], "3"),
    "a bad padding": (
        ["apply", "w", "grey.png", "--size", "3", "--padding", "some"],
        "expected same, valid, full",
        "'some'",
    ),
    "a bad dtype": (["apply", "w", "grey.png", "--size", "3", "--dtype", "flot32"], "did you mean 'float32'"),
    "a bad flag": (["apply", "w", "grey.png", "--sise", "3"], "--sise"),
    "a bad kernel": (["correlate", "grey.png", "--kernel", "sobelx"], "did you mean 'sobel-x'"),
    "a kernel's number": (["correlate", "grey.png", "--kernel", "gaussian"], "written gaussian:sigma"),
    "a kernel's text": (["correlate", "grey.png", "--kernel", "gaussian:wide"], "written gaussian:sigma"),
    "a huge kernel": (["correlate", "grey.png", "--kernel", "gaussian:1e9"], "must be between 0 and 125"),
    "a kernel's sigma": (["correlate", "grey.png", "--kernel", "gaussian:0"], "must be above 0"),
    "a laplacian": (["correlate", "grey.png", "--kernel", "laplacian:5"], "4 or 8 neighbours"),
    "no kernel file": (["correlate", "grey.png", "--kernel", "missing.npy"], "Cannot read 'missing.npy'"),
    "no kernel": (["correlate", "grey.png"], "--kernel, such as"),
    "k without kernel": (["apply", "np.max(w * k)", "grey.png", "--size", "3"], "--kernel gaussian:1.5"),
    "a bad footprint": (["apply", "np.max(w)", "grey.png", "--footprint", "disc:3"], "did you mean 'disk'"),
    "two of one name": (["apply", "np.max(b)", "b=grey.png", "other.png", "--size", "3"], "Two inputs are called 'b'"),
    "a reserved name": (["apply", "np.max(np)", "np=grey.png", "--size", "3"], "cannot be called 'np'"),
    "an unknown name": (["apply", "np.max(c)", "grey.png", "other.png", "--size", "3"], "Unknown name 'c'"),
    "a map without name": (["apply", "w", "grey.png", "--map", "other.png", "--size", "1"], "--map name=file"),
    "an index": (["apply", "w[9, 9]", "grey.png", "--size", "3"], "in the expression", "^ column 1"),
    "an axis": (["apply", "np.max(w) + index(2)", "grey.png", "--size", "3"], "axis 2"),
    "several results": (["apply", "np.min(w), np.max(w)", "grey.png", "--size", "3"], "several results"),
    "axes that are not there": (["apply", "np.max(w)", "grey.png", "--size", "3", "--axes", "0,5"], "ax"),
    "no command": ([], "COMMAND"),
    "a bad command": (["aply"], "invalid choice: 'aply'"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_one_clear_message(case: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, *texts = MISTAKES[case]
    output = ["-o", "out.png"] if arguments and arguments[0] in ("apply", "correlate") else []
    assert_refused(capsys, [*arguments, *output], *texts)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-o", "out.xyz"], "Unknown extension of the file 'out.xyz'"),
        (["-o", "missing/out.png"], "there is no folder"),
        (["-o", "out.png", "--output-dtype", "float32"], "PNG holds bool, uint16, uint8; got float32"),
        (["-o", "out.png", "--dtype", "float32"], "got float32"),
        (["-o", "out.jpg", "--output-dtype", "uint16"], "JPEG holds bool, uint8; got uint16"),
    ],
    ids=str,
)
def test_an_output_that_cannot_hold_the_result(arguments, text, folder: Path, capsys) -> None:
    assert_refused(capsys, ["apply", "np.max(w)", "grey.png", "--size", "3", *arguments], text)


def test_outputs_are_refused_before_the_work(folder: Path, capsys, monkeypatch) -> None:
    def work(*arguments: object, **keywords: object) -> None:
        raise AssertionError("the work was done")

    monkeypatch.setattr("kernelscape.apply", work)
    for output in ("out.xyz", "missing/out.png"):
        assert_refused(capsys, ["apply", "np.max(w)", "grey.png", "--size", "3", "-o", output], output)
    command = ["apply", "np.max(w)", "float.tif", "--size", "3", "-o", "out.png", "--output-dtype", "float64"]
    assert_refused(capsys, command, "got float64")


def test_the_output_may_be_the_input_and_an_old_one_survives_a_failure(folder: Path, capsys, monkeypatch) -> None:
    assert_same(run("apply", "255 - w[0, 0]", "grey.png", "-o", "grey.png", "--size", "1"), 255 - GREY)

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    command = ["apply", "np.max(w)", "other.png", "-o", "grey.png", "--size", "3"]
    assert_refused(capsys, command, "Cannot write 'grey.png': No space left on device")
    assert_same(read("grey.png").array, 255 - GREY)


def test_damaged_images_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = (folder / "colour.png").read_bytes()
    (folder / "cut.png").write_bytes(data[: len(data) // 2])
    assert_refused(capsys, ["apply", "np.max(w)", "cut.png", "-o", "o.png", "--size", "3"], "Cannot read 'cut.png'")


def test_images_of_different_sizes_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("small.png", GREY[:5])
    assert_refused(capsys, ["apply", "np.max(a + b)", "grey.png", "small.png", "-o", "o.png", "--size", "3"], "13", "5")


def test_profile_is_kept_and_resolution_where_pixels_keep_their_size(folder: Path) -> None:
    write("photo.png", COLOUR, metadata={"dpi": (300.0, 300.0)})
    run("apply", "np.max(w)", "photo.png", "-o", "out.png", "--size", "3")
    np.testing.assert_allclose(read("out.png").metadata["dpi"], 300, rtol=1e-3)
    run("apply", "np.max(w)", "photo.png", "-o", "out.png", "--size", "3", "--stride", "2")
    assert "dpi" not in read("out.png").metadata


# --- in a process of its own


def command(*arguments: str, **keywords: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "kernelscape", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, **keywords)  # type: ignore[call-overload]


def test_as_a_module_in_a_new_process(folder: Path) -> None:
    done = command("apply", "np.median(w)", "grey.png", "-o", "out.png", "--size", "5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert_same(read("out.png").array, np.median(windows(GREY, 5), axis=(2, 3)).astype(np.uint8))
    failed = command("apply", "np.meidan(w)", "grey.png", "-o", "out.png", "--size", "5")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("kernelscape: error: Unknown function 'np.meidan'; did you mean 'np.median'?\n")
    assert command("--version").stdout.startswith("kernelscape ")
    assert "np.median(w)" in command("apply", "--help").stdout


def test_warnings_are_messages_of_the_command(folder: Path) -> None:
    code = (
        "import sys, warnings; from kernelscape.cli import command\n"
        "command._COMMANDS['info'] = lambda options: warnings.warn('this is slow') or 0\n"
        "sys.exit(command.main(['info']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "kernelscape: warning: this is slow\n")


def test_a_mistake_is_told_without_loading_anything_heavy(folder: Path) -> None:
    code = (
        "import sys; from kernelscape.cli import main\n"
        "status = main(['apply', 'np.meidan(w)', 'grey.png', '-o', 'o.png'])\n"
        "print(status, [m for m in ('PIL', 'tifffile', 'scipy', 'llvmlite', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2 []"


def test_a_reader_that_went_away_is_silence(folder: Path) -> None:
    script = f"{sys.executable} -m kernelscape apply --help | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("usage: kernelscape apply")


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_interrupt_gives_130_and_no_file(folder: Path) -> None:
    write("large.npy", np.zeros((6000, 6000), np.float32))
    line = [sys.executable, "-m", "kernelscape", "apply", "np.sum(np.sin(w * w[0, 0]))", "large.npy"]
    before = sorted(os.listdir())
    process = subprocess.Popen([*line, "-o", "out.npy", "--size", "31"], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and _processor_seconds(process.pid) < 1.5:  # by then it has long begun to compute
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - start < 5
    assert (process.returncode, errors) == (130, "kernelscape: interrupted\n")
    assert sorted(os.listdir()) == before


def test_interrupt_in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules["kernelscape.cli.command"]._COMMANDS, "info", interrupt)
    assert main(["info"]) == 130
    assert capsys.readouterr().err == "kernelscape: interrupted\n"


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_(options: object) -> int:
        raise RuntimeError("a defect")

    monkeypatch.setitem(sys.modules["kernelscape.cli.command"]._COMMANDS, "info", break_)
    with pytest.raises(RuntimeError, match="a defect"):
        main(["info"])


# --- parts


def test_names_of_inputs(folder: Path) -> None:
    (folder / "x=1.png").write_bytes(b"")
    assert [(s.name, str(s.path)) for s in sources(["x=1.png", "m=a=b.png", "c.png"])] == [
        ("a", "x=1.png"),
        ("m", "a=b.png"),
        ("c", "c.png"),
    ]
    for bad in ("_a=1.png", "lambda=1.png", "k=1.png", "aµ=1.png"):
        with pytest.raises(ArgumentError, match="cannot be called"):
            sources([bad])
    with pytest.raises(ArgumentError, match="need names"):
        sources(["f.png"] * 27)


def test_inputs_with_other_axes_are_refused() -> None:
    stack = Image(np.zeros((3, 4, 5)), "pyx")
    colour = Image(np.zeros((4, 5, 3)), "yxc")
    with pytest.raises(ShapeError, match="do not fit each other"):
        line_up([stack, colour], None, filter_alpha=False)


def test_a_file_with_a_single_number_is_refused(folder: Path, capsys) -> None:
    np.save("number.npy", np.float64(3))
    assert_refused(capsys, ["apply", "np.max(w)", "number.npy", "-o", "out.npy", "--size", "3"], "a single number")


def test_float32_unless_an_integer_needs_more() -> None:
    def chosen(*dtypes: str) -> object:
        return computing_dtype([np.zeros(1, dtype) for dtype in dtypes])

    assert chosen("uint8") == chosen("int16", "uint16") == chosen("bool") == np.float32
    assert chosen("uint32") == chosen("uint8", "float64") == np.float64
    assert chosen("float32") is chosen("float64", "complex64") is None
    assert chosen("uint8", "complex64") == np.complex64


def test_half_of_a_byte_swapped_tiff(folder: Path) -> None:
    tifffile.imwrite(folder / "big.tif", GREY.astype(">u2") * 200, byteorder=">")
    assert_same(run("apply", "w[0, 0] / 2", "big.tif", "-o", "o.tif", "--size", "1"), GREY.astype(np.uint16) * 100)
