"""The documentation tells the truth: its code runs, its commands work, what it links to exists.

Pages below `docs/` are run from top to bottom, each in one namespace: blocks with prompts are doctests, other Python
blocks are executed, and lines of shell blocks that begin with ``kernelscape`` are run on small images. The README has a
test of its own (`test_readme.py`), which also compares the numbers; here only its links are looked at.
"""

import doctest
import re
import runpy
import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from kernelscape.cli import main
from kernelscape.io import write

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "kernelscape"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.name != "shared.py")
DRAWINGS = sorted((ROOT / "docs" / "drawings").glob("*.py"))
LARGEST_PICTURE = 300_000
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(text: str, language: str) -> list[tuple[int, str]]:
    """Line number and text of each code block in one language."""
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in found]


def run_python(page: Path) -> dict[str, object]:
    """Run the Python blocks of a page; an AssertionError shows the first examples that gave something else."""
    names: dict[str, object] = {"__name__": "__main__"}
    for line, block in blocks(page.read_text(encoding="utf-8"), "python"):
        if ">>>" not in block:
            exec(compile("\n" * line + block, str(page), "exec"), names)
            continue
        test = doctest.DocTestParser().get_doctest(block, names, name_of(page), str(page), line)
        report: list[str] = []
        doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append, clear_globs=False)
        assert not report, "".join(report)
        names.update(test.globs)
    return names


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_run_and_print_what_they_show(page: Path):
    names = run_python(page)
    text = page.read_text(encoding="utf-8")
    for _, excerpt in blocks(text, "llvm"):
        assert_is_excerpt(excerpt, str(names["code"]))


def assert_is_excerpt(excerpt: str, code: str) -> None:
    """The lines of an excerpt stand in the code in this order, whatever the numbers of its values."""
    lines = iter(without_numbers(code))
    for line in without_numbers(excerpt):
        assert any(line == other for other in lines), f"not in the code, or not there: {line}"


def without_numbers(code: str) -> list[str]:
    lines = (re.sub(r"%v\d+", "%v", line.split(";")[0].strip()) for line in code.splitlines())
    return [line for line in lines if line and line != "..."]


def test_an_excerpt_out_of_order_is_noticed():
    with pytest.raises(AssertionError, match="not in the code"):
        assert_is_excerpt("b\na", "a\nb")


def test_a_wrong_output_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("```python\n>>> 1 + 1\n3\n\n```\n")
    with pytest.raises(AssertionError, match="Expected"):
        run_python(page)


COMMANDS = [
    pytest.param(line, id=f"{name_of(page)}:{number}")
    for page in PAGES
    for start, block in blocks(page.read_text(encoding="utf-8"), "sh")
    for number, line in enumerate(block.splitlines(), start + 1)
    if line.startswith("kernelscape ")
]


@pytest.fixture
def folder_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    generator = np.random.default_rng(0)
    write(tmp_path / "photo.png", generator.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    for name in ("one.tif", "two.tif"):
        write(tmp_path / name, generator.integers(0, 65536, (24, 32), dtype=np.uint16))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_work(line: str, folder_of_images: Path, capsys: pytest.CaptureFixture[str]):
    words = shlex.split(line)
    assert main(words[1:]) == 0, capsys.readouterr().err
    if "-o" in words:
        assert (folder_of_images / words[words.index("-o") + 1]).stat().st_size > 0


@pytest.mark.parametrize("script", EXAMPLES, ids=name_of)
def test_examples_print_one_line_and_write_a_picture(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    picture = tmp_path / "picture.png"
    monkeypatch.setattr(sys, "argv", [script.name, "--extent", "48", "--picture", str(picture)])
    monkeypatch.syspath_prepend(str(script.parent))
    monkeypatch.delitem(sys.modules, "shared", raising=False)
    runpy.run_path(str(script), run_name="__main__")
    assert re.fullmatch(r"[a-z ]+: .+\n", capsys.readouterr().out)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CHANGELOG.md", *PAGES], ids=name_of)
def test_links_lead_somewhere(page: Path):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)|<img src=\"([^\"]+)\"", text)
    for link in (first or second for first, second in links):
        if not link.startswith(("http://", "https://")):
            assert (page.parent / link).exists(), f"{name_of(page)} links to {link}, which does not exist"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_of_the_code_that_are_named_exist(page: Path):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for name in re.findall(r"`((?:[\w]+/)*[\w]+\.py|(?:[\w]+/)+)`", text):
        places = (PACKAGE, ROOT, ROOT / "tests", ROOT / "examples")
        assert any((place / name).exists() for place in places), f"{name_of(page)} names {name}, which does not exist"


def test_every_example_is_in_the_gallery():
    gallery = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    for script in EXAMPLES:
        assert f"../examples/{script.name}" in gallery
        assert f"pictures/{script.stem}.png" in gallery


def test_drawings_are_what_their_scripts_draw():
    drawn = runpy.run_path(str(ROOT / "docs" / "drawings" / "two_forms.py"))["drawing"]()
    assert drawn == (ROOT / "docs" / "pictures" / "two_forms.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(drawn).tag.endswith("svg")


def test_painted_pictures_have_the_size_that_their_scripts_paint():
    """Which grey a pixel has depends on matplotlib's release; what is drawn where has a test of its own."""
    names = runpy.run_path(str(ROOT / "docs" / "drawings" / "contact_sheets.py"))
    with Image.open(names["PICTURE"]) as picture:
        assert names["drawing"]().size == picture.size


def test_every_drawing_is_in_a_guide():
    guides = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for script in DRAWINGS:
        assert re.search(rf"pictures/{script.stem}\.(svg|png)", guides), name_of(script)


def test_pictures_are_small():
    for picture in (ROOT / "docs" / "pictures").iterdir():
        assert picture.stat().st_size < LARGEST_PICTURE, picture.name
