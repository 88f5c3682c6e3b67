"""Image files: what is written is read back, what is damaged is refused, and an old file is never lost.

The files are real ones, written here by the library or by Pillow and tifffile, over the table of formats: a new format
is tested without a change here. Not compared: the samples of JPEG beyond a bound on their loss.
"""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms

from kernelscape.errors import (
    ArgumentError,
    ArgumentTypeError,
    ImageFileError,
    MissingDependencyError,
    UnknownNameError,
)
from kernelscape.io import FORMATS, Image, check_output, read, write
from kernelscape.io.image import ORIENTATIONS, upright, usual_axes

BY_NAME = {entry.name: entry for entry in FORMATS}
LOSSLESS = [entry for entry in FORMATS if entry.name != "JPEG"]
SHAPES = {1: (7, 5), 2: (7, 5, 2), 3: (7, 5, 3), 4: (7, 5, 4)}


def samples(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    generator = np.random.default_rng(7)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return generator.random(shape) < 0.5
    if kind.kind in "ui":
        limits = np.iinfo(kind)
        array = generator.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
        array.flat[:2] = limits.min, limits.max
        return array
    array = generator.standard_normal(shape).astype(kind)
    array.flat[:3] = np.nan, np.inf, -0.0
    return array + np.asarray(1j, kind) if kind.kind == "c" else array


def assert_same_samples(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    assert actual.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_assert_same_samples_can_fail() -> None:
    for wrong in (np.array([1, 3]), np.array([1.0, 2.0]), np.array([[1, 2]])):
        with pytest.raises(AssertionError):
            assert_same_samples(wrong, np.array([1, 2]))


CASES = [
    pytest.param(entry, dtype, shape, id=f"{entry.name}-{dtype}-{colours}")
    for entry in LOSSLESS
    for dtype in entry.dtypes
    for colours, shape in SHAPES.items()
    if entry.colours is None or colours in entry.colours
]


@pytest.mark.parametrize(("entry", "dtype", "shape"), CASES)
def test_what_is_written_is_read_back(entry, dtype, shape, tmp_path: Path) -> None:
    array = samples(dtype, shape)
    path = tmp_path / f"image{entry.extensions[-1]}"
    write(path, array)
    image = read(path)
    shown = array if dtype != "bool" or entry.name == "NumPy" else array.astype(np.uint8) * 255
    assert_same_samples(image.array, shown)
    if entry.name != "NumPy":
        assert image.axes == usual_axes(array)
        assert image.alpha == (shape[-1] in (2, 4) and len(shape) == 3)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("layout", ["fortran", "strided", "reversed", "big-endian", "read-only"])
@pytest.mark.parametrize("entry", LOSSLESS, ids=lambda entry: entry.name)
@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3)], ids=str)
def test_any_memory_layout_can_be_written(entry, layout, shape, tmp_path: Path) -> None:
    array = samples("uint16", shape)
    laid_out = {
        "fortran": np.asfortranarray(array),
        "strided": array[::2, ::3],
        "reversed": array[::-1, ::-1],
        "big-endian": array.astype(">u2"),
        "read-only": np.broadcast_to(array[:1], shape),
    }[layout]
    path = tmp_path / f"image{entry.extensions[0]}"
    write(path, laid_out)
    np.testing.assert_array_equal(read(path).array, laid_out)


@pytest.mark.parametrize("shape", [(40, 30), (40, 30, 3)], ids=str)
def test_jpeg_loses_little(shape, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:40, :30]
    smooth = (rows * 4 + columns * 3).astype(np.uint8)
    array = smooth if len(shape) == 2 else np.stack([smooth, smooth[::-1], smooth[:, ::-1]], axis=-1)
    write(tmp_path / "image.jpg", array)
    image = read(tmp_path / "image.jpg")
    assert (image.axes, image.alpha, image.array.dtype) == (usual_axes(array), False, np.uint8)
    assert np.abs(image.array.astype(int) - array).mean() < 1.5


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((3, 7, 5), "pyx"),
        ((2, 7, 5, 3), "pyxc"),
        ((2, 7, 5, 4), "pyxc"),
        ((2, 3, 7, 5), "ppyx"),
        ((1, 7, 5), "pyx"),
        ((7, 5, 9), "yxc"),
        ((2, 7, 5, 1), "pyxc"),
    ],
    ids=str,
)
def test_tiff_pages_and_colours_keep_their_meaning(shape, axes, tmp_path: Path) -> None:
    array = samples("float32", shape)
    write(tmp_path / "stack.tif", array, axes=axes, alpha=shape[-1] == 4)
    image = read(tmp_path / "stack.tif")
    single = shape[-1] == 1 and axes.endswith("c")  # one colour is grey: the axis of length one is not stored
    assert_same_samples(image.array, array[..., 0] if single else array)
    assert image.axes == (axes[:-1] if single else axes)
    assert image.alpha == (shape[-1] == 4)
    assert [image.axes[axis] for axis in image.spatial_axes] == ["y", "x"]


def test_content_decides_on_reading(tmp_path: Path) -> None:
    array = samples("uint8", (7, 5))
    write(tmp_path / "image.png", array)
    (tmp_path / "image.png").rename(tmp_path / "image.jpg")
    assert_same_samples(read(tmp_path / "image.jpg").array, array)


def test_extensions_are_read_in_any_case(tmp_path: Path) -> None:
    write(tmp_path / "IMAGE.PNG", samples("uint8", (7, 5)))
    assert read(tmp_path / "IMAGE.PNG").axes == "yx"


# --- what Pillow and tifffile store in other ways


def test_palette_becomes_colour(tmp_path: Path) -> None:
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
    picture = Pillow.fromarray(indices)
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    picture.save(tmp_path / "palette.png")
    palette = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], np.uint8)
    assert_same_samples(read(tmp_path / "palette.png").array, palette[indices])
    picture.save(tmp_path / "clear.png", transparency=1)
    image = read(tmp_path / "clear.png")
    assert image.alpha
    assert_same_samples(image.array[..., 3], np.where(indices == 1, 0, 255).astype(np.uint8))


def test_tiff_palette_and_inverted_grey(tmp_path: Path) -> None:
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4)
    palette = (np.arange(256, dtype=np.uint16) * 257)[None, :] // np.array([[1], [1], [1]], np.uint16)
    palette[1] = palette[1, ::-1]
    tifffile.imwrite(tmp_path / "palette.tif", indices, photometric="palette", colormap=palette)
    image = read(tmp_path / "palette.tif")
    assert image.axes == "yxc"
    assert_same_samples(image.array, np.stack([indices, 255 - indices, indices], axis=-1))
    tifffile.imwrite(tmp_path / "inverted.tif", indices, photometric="miniswhite")
    assert_same_samples(read(tmp_path / "inverted.tif").array, 255 - indices)


def test_planar_tiff_has_its_colours_last(tmp_path: Path) -> None:
    planes = samples("uint16", (3, 7, 5))
    tifffile.imwrite(tmp_path / "planar.tif", planes, photometric="rgb", planarconfig="separate")
    image = read(tmp_path / "planar.tif")
    assert image.axes == "yxc"
    np.testing.assert_array_equal(image.array, np.moveaxis(planes, 0, -1))


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits"])
def test_compressed_tiff(compression, tmp_path: Path) -> None:
    array = samples("uint16", (70, 50))
    tifffile.imwrite(tmp_path / "small.tif", array, compression=compression)
    assert_same_samples(read(tmp_path / "small.tif").array, array)


def test_tiff_thumbnail_is_passed_over_and_a_second_image_is_refused(tmp_path: Path) -> None:
    array = samples("uint8", (70, 50))
    with tifffile.TiffWriter(tmp_path / "thumbnail.tif") as file:
        file.write(array, metadata=None)
        file.write(array[::2, ::2], subfiletype=1, metadata=None)
    assert_same_samples(read(tmp_path / "thumbnail.tif").array, array)
    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        file.write(array, metadata=None)
        file.write(array[:33], metadata=None)
    with pytest.raises(ImageFileError, match="holds 2 images"):
        read(tmp_path / "two.tif")


def test_tiff_of_inks_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "inks.tif", samples("uint8", (7, 5, 4)), photometric="separated")
    with pytest.raises(ImageFileError, match="SEPARATED; convert it to RGB"):
        read(tmp_path / "inks.tif")


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    Pillow.new("CMYK", (16, 8), (0, 255, 255, 0)).save(tmp_path / "inks.jpg", quality=100)
    image = read(tmp_path / "inks.jpg")
    assert (image.axes, image.array.shape) == ("yxc", (8, 16, 3))
    np.testing.assert_allclose(image.array[4, 8].astype(int), (255, 0, 0), atol=6)


def test_animation_is_refused(tmp_path: Path) -> None:
    frames = [Pillow.new("L", (4, 4), value) for value in (0, 200)]
    frames[0].save(tmp_path / "moving.png", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageFileError, match="animation of 2 frames"):
        read(tmp_path / "moving.png")


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("extension", ["png", "jpg", "tif"])
def test_orientation_is_applied(orientation, extension, tmp_path: Path) -> None:
    stored = np.zeros((16, 24), np.uint8)
    stored[:8, :8] = 255
    stored[:8, 8:16] = 128
    path = tmp_path / f"turned.{extension}"
    picture = Pillow.fromarray(stored)
    exif = picture.getexif()
    exif[0x0112] = orientation
    if extension == "tif":
        tifffile.imwrite(path, stored, extratags=[("Orientation", 3, 1, orientation, True)])
    else:
        picture.save(path, exif=exif, **({"quality": 100} if extension == "jpg" else {}))
    method = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)  # Pillow's own: ImageOps.exif_transpose
    expected = picture if method is None else picture.transpose(Pillow.Transpose(method))
    image = read(path)
    np.testing.assert_allclose(image.array.astype(int), np.asarray(expected).astype(int), atol=3)
    write(tmp_path / "again.png", image)
    with Pillow.open(tmp_path / "again.png") as again:
        assert 0x0112 not in again.getexif()


def test_unknown_orientation_asks_for_nothing() -> None:
    array = np.arange(6).reshape(2, 3)
    assert upright(array, "yx", 77) is array


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("extension", ["png", "jpg", "tif"])
def test_profile_and_resolution_travel(dtype, extension, tmp_path: Path) -> None:
    if extension == "jpg" and dtype == "uint16":
        dtype = "uint8"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    metadata = {"icc_profile": profile, "dpi": (300.0, 150.0)}
    path = tmp_path / f"image.{extension}"
    write(path, samples(dtype, (7, 5, 3)), metadata=metadata)
    image = read(path)
    assert image.metadata["icc_profile"] == profile
    np.testing.assert_allclose(image.metadata["dpi"], (300, 150), rtol=1e-3)
    write(path, image.array[..., 0], metadata=image.metadata)
    assert "icc_profile" not in read(path).metadata, "grey must not carry the profile of RGB"


# --- bad files


def encoded(name: str) -> bytes:
    buffer = io.BytesIO()
    entry = BY_NAME[name]
    entry.write(Image(samples("uint8", (40, 30)), "yx"), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("fraction", [0.0, 0.005, 0.02, 0.3, 0.6, 0.9])
def test_truncated_files_are_refused(name, fraction, tmp_path: Path) -> None:
    data = encoded(name)
    path = tmp_path / "cut"
    path.write_bytes(data[: int(len(data) * fraction)])
    with pytest.raises(ImageFileError, match=r"Cannot read '.*cut'"):
        read(path)


@pytest.mark.parametrize("name", BY_NAME)
def test_damaged_files_give_the_image_or_one_kind_of_error(name, tmp_path: Path) -> None:
    data = np.frombuffer(encoded(name), np.uint8)
    generator = np.random.default_rng(11)
    path = tmp_path / "damaged"
    refused = 0
    for _ in range(60):
        broken = data.copy()
        broken[generator.integers(8, min(len(data), 200), 4)] = generator.integers(0, 256, 4)
        path.write_bytes(broken.tobytes())
        try:
            assert isinstance(read(path).array, np.ndarray)
        except ImageFileError:
            refused += 1
        except Warning:  # a decoder's opinion; warnings are errors in these tests
            refused += 1
    assert refused > 0


def test_header_that_promises_more_than_the_file_holds_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**7)})
    with pytest.raises(ImageFileError, match="damaged or cut short"):
        read(path)


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ImageFileError, match="Cannot read"):
        read(tmp_path / "objects.npy")


@pytest.mark.parametrize("shape", [(), (0,), (0, 5), (3,), (2, 3, 4, 5)], ids=str)
def test_numpy_files_of_any_shape(shape, tmp_path: Path) -> None:
    array = samples("float32", shape) if np.prod(shape) > 2 else np.zeros(shape, np.float32)
    write(tmp_path / "array.npy", array)
    image = read(tmp_path / "array.npy")
    assert_same_samples(image.array, array)
    assert image.spatial_axes == tuple(range(len(shape)))


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ImageFileError, match=r"expected PNG, JPEG, TIFF, NumPy, but it begins with b'not a pi'"):
        read(tmp_path / "text.png")
    with pytest.raises(ImageFileError, match="No such file"):
        read(tmp_path / "missing.png")
    with pytest.raises(ImageFileError, match="it is a folder"):
        read(tmp_path)
    with pytest.raises(ArgumentTypeError, match="must be a string or a path; got 3"):
        read(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="must be the name of a file"):
        read("a\0b")


# --- what a format cannot hold


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        ("a.png", np.zeros((4, 4), np.float32), r"PNG holds bool, uint16, uint8; got float32.*--output-dtype uint8"),
        ("a.png", np.zeros((4, 4), np.int16), "got int16"),
        ("a.png", np.zeros((4, 4), np.complex64), r"write \.tif or \.npy"),
        ("a.jpg", np.zeros((4, 4), np.uint16), "JPEG holds bool, uint8; got uint16"),
        ("a.jpg", np.zeros((4, 4, 4), np.uint8), r"got 4, .*It has no transparency\. Write \.png"),
        ("a.png", np.zeros((4, 4, 7), np.uint8), "one image per file"),
        ("a.png", np.zeros((9, 4, 4, 3), np.uint8), r"one image per file; got shape \(9, 4, 4, 3\)\. Write \.tif"),
        ("a.png", np.zeros(4, np.uint8), "needs rows and columns"),
        ("a.png", np.zeros((0, 4), np.uint8), "no empty images"),
        ("a.tif", np.zeros((4, 4), "M8[s]"), "got datetime64"),
        ("a.npy", np.array([[None]]), "no format holds"),
        ("a.npy", np.zeros(4, "i4,f4"), "got"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 8 else "",
)
def test_what_a_format_cannot_hold_is_refused(name, array, text, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=text):
        write(tmp_path / name, array)
    assert os.listdir(tmp_path) == []


def test_unknown_extension_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean '\.tiff'"):
        write(tmp_path / "a.tifff", np.zeros((4, 4)))
    with pytest.raises(UnknownNameError, match=r"'\.png'"):
        write(tmp_path / "a", np.zeros((4, 4)))


@pytest.mark.parametrize("axes", ["y", "yxz", "cyx", "yyx", "xyxc"])
def test_axes_must_describe_the_array(axes) -> None:
    with pytest.raises(ArgumentError, match="one letter of"):
        Image(np.zeros((4, 4, 3)), axes)
    with pytest.raises(ArgumentError, match="alpha=True"):
        Image(np.zeros((4, 4)), "yx", alpha=True)


# --- an old file is replaced by a whole one or not at all


class Interrupted(BaseException):
    """As Ctrl-C is: no `Exception`."""


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), ValueError("odd"), Interrupted()])
@pytest.mark.parametrize("entry", FORMATS, ids=lambda entry: entry.name)
def test_a_failing_writer_leaves_the_old_file(entry, failure, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / f"image{entry.extensions[0]}"
    path.write_bytes(b"the old file")

    def write_half(image: Image, file) -> None:
        file.write(b"half of the new file")
        file.flush()
        raise failure

    monkeypatch.setattr("kernelscape.io.files.by_extension", lambda _: _replaced(entry, write_half))
    with pytest.raises(Interrupted if isinstance(failure, Interrupted) else ImageFileError):
        write(path, np.zeros((4, 4), np.uint8))
    assert path.read_bytes() == b"the old file"
    assert os.listdir(tmp_path) == [path.name]


def _replaced(entry, writer):
    from dataclasses import replace

    return replace(entry, write=writer)


def test_failure_of_the_rename_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(b"the old file")

    def fail(self, target) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ImageFileError, match="Permission denied"):
        write(path, np.zeros((4, 4), np.uint8))
    assert path.read_bytes() == b"the old file"
    assert os.listdir(tmp_path) == ["image.png"]


def test_killed_between_writing_and_renaming_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "image.npy"
    path.write_bytes(b"the old file")
    code = (
        "import os, sys, numpy as np, kernelscape.io as files\n"
        "os.fsync = lambda descriptor: os._exit(9)\n"
        "files.write(sys.argv[1], np.zeros((400, 400)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == 9
    assert path.read_bytes() == b"the old file"


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    real = tmp_path / "real.png"
    write(real, np.zeros((4, 4), np.uint8))
    umask = os.umask(0)
    os.umask(umask)
    assert real.stat().st_mode & 0o777 == 0o666 & ~umask
    real.chmod(0o640)
    link = tmp_path / "link.png"
    link.symlink_to(real)
    write(link, np.full((4, 4), 9, np.uint8))
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert read(real).array[0, 0] == 9


def test_folders_that_cannot_take_the_file(tmp_path: Path, monkeypatch) -> None:
    array = np.zeros((4, 4), np.uint8)
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for refuse in (lambda path: write(path, array), check_output):
        with pytest.raises(ImageFileError, match="there is no folder"):
            refuse(tmp_path / "missing" / "a.png")
        with pytest.raises(ImageFileError, match="it is a folder"):
            refuse(tmp_path / "folder.png")
        with pytest.raises(ImageFileError, match="not a regular file"):
            refuse(tmp_path / "pipe.png")
        with pytest.raises(ImageFileError, match="there is no folder"):
            refuse("/proc/kernelscape/a.png")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who may write anywhere
    with pytest.raises(ImageFileError, match="no permission to write"):
        check_output(tmp_path / "a.png")


def test_check_output_refuses_a_dtype_early(tmp_path: Path) -> None:
    check_output(tmp_path / "a.png", np.uint8)
    with pytest.raises(ArgumentError, match="got float64"):
        check_output(tmp_path / "a.png", np.float64)
    assert os.listdir(tmp_path) == []


# --- what is not installed


@pytest.mark.parametrize(
    ("package", "name", "shape"),
    [
        ("PIL", "a.png", (4, 4)),
        ("PIL", "a.jpg", (4, 4)),
        ("tifffile", "a.tif", (4, 4)),
        ("imagecodecs", "b.png", (4, 4, 3)),
    ],
)
def test_missing_packages_are_named_with_the_command(package, name, shape, tmp_path: Path, monkeypatch) -> None:
    array = np.zeros(shape, np.uint16 if name == "b.png" else np.uint8)
    path = tmp_path / name
    write(path, array)
    before = path.read_bytes()
    for module in [module for module in sys.modules if module.split(".")[0] == package]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, package, None)
    for use in (lambda: read(path), lambda: write(path, array)):
        with pytest.raises(MissingDependencyError, match=r"pip install 'kernelscape\[images\]'"):
            use()
    assert path.read_bytes() == before


def test_importing_the_folder_imports_no_codec() -> None:
    packages = "PIL", "tifffile", "imagecodecs", "scipy"
    code = f"import sys, kernelscape.io; print([name for name in {packages} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
