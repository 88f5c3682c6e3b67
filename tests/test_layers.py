"""The layers of the house: a file imports only from layers below its own.

The rules are checked on the syntax trees of `src/kernelscape`, so that late imports inside functions count too. Each
rule is a function of a folder that returns the offences as text; each has a test that it holds for the library, and a
test that it reports a small tree which breaks it. What is not compared: imports of other packages, except for those
that may be loaded in one place only or not at all by `import kernelscape`.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import kernelscape

PACKAGE = Path(kernelscape.__file__).parent

# A name stands for a file, or for the folder that it became and all files in it, which may import each other. The
# package's own face sits between what it gathers and the command line, its first user.
LAYERS: dict[str, float] = {
    "__main__": 16,
    "cli": 15,
    "__init__": 14.5,
    "filters": 14,
    "ndimage": 14,
    "plot": 14,
    "io": 14,
    "testing": 14,
    "api": 13,
    "adapters": 12,
    "execute": 11,
    "backends": 10,
    "cache": 9,
    "calibration": 9,
    "pool": 9,
    "plan": 8,
    "methods": 7,
    "loops": 6,
    "networks": 6,
    "reference": 5,
    "kernels": 4,
    "trace": 3,
    "rewrite": 3,
    "geometry": 2,
    "boundary": 2,
    "reductions": 2,
    "verification": 2,
    "expression": 1,
    "semantics": 1,
    "machine": 1,
    "errors": 0,
    "config": 0,
}

# (file, imported file): why this import may point sideways or upwards.
ALLOWED: dict[tuple[str, str], str] = {
    ("config.py", "errors.py"): "settings are refused with the library's own exceptions, which know no settings",
    ("kernels/field.py", "plot.py"): "a field draws itself; the import is late, for matplotlib is an optional package",
    ("kernels/__init__.py", "api/compress.py"): "`compress` runs the engine on fields; users look for it beside them",
    ("trace/run.py", "rewrite.py"): "a trace is simplified before anybody sees it; rewriting knows no tracing",
}

# The only file that may import a package, however late.
ONLY_IMPORTER = {"llvmlite": "backends/cpu.py", "matplotlib": "plot.py"}

# What `import kernelscape` must not load: slow to import, or not installed everywhere.
NOT_AT_IMPORT = (
    "llvmlite", "scipy", "platformdirs", "PIL", "tifffile", "skimage", "matplotlib", "numba", "torch", "dask", "xarray",
)  # fmt: skip


def source_files(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*.py"))


def name_of(path: Path, package: Path) -> str:
    return path.relative_to(package).as_posix()


def group_of(name: str, layers: dict[str, float]) -> str | None:
    """Give the row of the table that a file falls under: its own name, or that of its outermost folder."""
    outermost = name.split("/", maxsplit=1)[0].removesuffix(".py")
    return outermost if outermost in layers else None


@dataclass(frozen=True)
class Import:
    """One imported name, resolved: `target` is a file of the package, or None when `module` is somebody else's."""

    line: int
    module: str
    target: str | None


def file_of(module: str, package: Path) -> str | None:
    """Give the file inside the package that a dotted name below it stands for; an empty name is the package itself."""
    base = package.joinpath(*module.split(".")) if module else package
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file() and path != package.with_suffix(".py"):
            return name_of(path, package)
    return None


def imports_of(path: Path, package: Path) -> Iterator[Import]:
    """Yield every import in the file, at any depth, each followed to the deepest file that it names."""
    root = package.name
    own = [root, *path.relative_to(package).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = own[: len(own) + 1 - node.level] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            modules = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            first, _, rest = module.partition(".")
            if first != root:
                yield Import(node.lineno, module, None)
                continue
            # `from kernelscape.errors import KernelError` names a thing in errors.py: drop names until a file is left.
            target = file_of(rest, package)
            while target is None and rest:
                rest = rest.rpartition(".")[0]
                target = file_of(rest, package)
            yield Import(node.lineno, module, target)


def layer_offences(
    package: Path, layers: dict[str, float] = LAYERS, allowed: dict[tuple[str, str], str] = ALLOWED
) -> list[str]:
    offences: dict[str, None] = {}  # in order, each once: a statement may import several names from one file
    used = set()
    for path in source_files(package):
        name = name_of(path, package)
        group = group_of(name, layers)
        if group is None:
            offences[f"{name}: has no layer; give it one in LAYERS"] = None
            continue
        for entry in imports_of(path, package):
            target_group = entry.target and group_of(entry.target, layers)
            if not target_group or target_group == group:
                continue
            if (name, entry.target) in allowed:
                used.add((name, entry.target))
            elif layers[target_group] >= layers[group]:
                upward = f"layer {layers[group]:g} imports {entry.target} of layer {layers[target_group]:g}"
                offences[f"{name}:{entry.line}: {upward}"] = None
    stale = [pair for pair in sorted(set(allowed) - used) if (package / pair[0]).is_file()]
    return [*offences, *(f"{pair}: allowed, but no longer imported" for pair in stale)]


def importer_offences(package: Path, importers: dict[str, str] = ONLY_IMPORTER) -> list[str]:
    return [
        f"{name_of(path, package)}:{entry.line}: imports {entry.module}, which only {importers[outer]} may"
        for path in source_files(package)
        for entry in imports_of(path, package)
        if entry.target is None
        and (outer := entry.module.partition(".")[0]) in importers
        and name_of(path, package) != importers[outer]
    ]


def environment_offences(package: Path) -> list[str]:
    """Only config.py reads the environment: a setting is found in one place, and tests can set it."""
    words = {"environ", "environb", "getenv", "getenvb"}
    offences = []
    for path in source_files(package):
        if name_of(path, package) == "config.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = node.attr if isinstance(node, ast.Attribute) else node.name if isinstance(node, ast.alias) else None
            if named in words:
                offences.append(f"{name_of(path, package)}:{node.lineno}: reads the environment ({named})")
    return offences


def print_offences(package: Path) -> list[str]:
    return [
        f"{name_of(path, package)}:{node.lineno}: prints"
        for path in source_files(package)
        if not name_of(path, package).startswith("cli/")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def naming_offences(package: Path) -> list[str]:
    """Facts, not names: a backend that names a mode or a reduction treats it as a special case. Comments count too."""
    return [
        f"{name_of(path, package)}:{number}: {line.strip()}"
        for path in source_files(package)
        if name_of(path, package).startswith("backends/")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search("reflect|median", line)
    ]


RULES: list[Callable[[Path], list[str]]] = [
    layer_offences,
    importer_offences,
    environment_offences,
    print_offences,
    naming_offences,
]


def assert_no_offences(offences: list[str]) -> None:
    assert not offences, "\n" + "\n".join(offences)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_library_obeys(rule):
    assert source_files(PACKAGE)
    assert_no_offences(rule(PACKAGE))


def loaded_by_import(names: tuple[str, ...], statement: str = "import kernelscape") -> list[str]:
    code = f"import sys; {statement}; print([name for name in {names!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return ast.literal_eval(result.stdout)


def test_import_loads_nothing_slow():
    assert loaded_by_import(NOT_AT_IMPORT) == []


# -- each rule can fail ----------------------------------------------------------------------------------------------


def make_package(folder: Path, **files: str) -> Path:
    """Write a small package; `a__b="..."` becomes a/b.py, `face="..."` the package's own __init__.py."""
    package = folder / "kernelscape"
    package.mkdir()
    (package / "__init__.py").write_text(files.pop("face", ""))
    for key, text in files.items():
        path = package / (key.replace("__", "/") + ".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return package


@pytest.mark.parametrize(
    "statement",
    [
        "from kernelscape import plan",
        "from kernelscape.plan import Plan",
        "import kernelscape.plan",
        "import kernelscape.plan as later",
        "from . import plan",
        "from .plan import Plan",
        "def f():\n    from kernelscape.plan import Plan",
        "if TYPE_CHECKING:\n    from kernelscape.plan import Plan",
        "from kernelscape import cpu_only, errors, plan",
    ],
)
def test_upward_import_is_found(tmp_path, statement):
    package = make_package(tmp_path, plan="class Plan: ...", errors="", expression=statement)
    assert [offence for offence in layer_offences(package) if "layer 1 imports plan.py of layer 8" in offence]


@pytest.mark.parametrize("statement", ["import kernelscape", "from kernelscape import __version__", "from . import x"])
def test_import_of_the_face_is_found(tmp_path, statement):
    package = make_package(tmp_path, face="__version__ = '1'", plan=statement)
    assert layer_offences(package) == ["plan.py:1: layer 8 imports __init__.py of layer 14.5"]


def test_sideways_import_is_found_between_files_but_not_inside_a_folder(tmp_path):
    package = make_package(
        tmp_path, cache="from .pool import run", pool="", backends__a="from .b import c", backends__b="c = 1"
    )
    assert layer_offences(package) == ["cache.py:1: layer 9 imports pool.py of layer 9"]


def test_import_from_a_folder_is_resolved(tmp_path):
    package = make_package(
        tmp_path, backends__cpu="from ..api import apply", api="from kernelscape.backends.cpu import x"
    )
    assert layer_offences(package) == ["backends/cpu.py:1: layer 10 imports api.py of layer 13"]


@pytest.mark.parametrize("key", ["surprise", "surprises__inner"])
def test_file_without_layer_is_found(tmp_path, key):
    package = make_package(tmp_path, **{key: ""})
    assert layer_offences(package) == [f"{key.replace('__', '/')}.py: has no layer; give it one in LAYERS"]


def test_allowed_import_passes_and_a_stale_permission_is_found(tmp_path):
    package = make_package(
        tmp_path, cache="from .plan import Plan", loops="from .cache import store", plan="class Plan: ..."
    )
    reason = {("loops.py", "cache.py"): "an example", ("plan.py", "cache.py"): "no longer true"}
    assert layer_offences(package, allowed=reason) == ["('plan.py', 'cache.py'): allowed, but no longer imported"]


@pytest.mark.parametrize(
    "statement", ["import llvmlite", "from llvmlite import ir", "def f():\n    import llvmlite.binding as b"]
)
def test_second_importer_is_found(tmp_path, statement):
    package = make_package(tmp_path, backends__cpu=statement, machine=statement)
    offences = importer_offences(package)
    assert len(offences) == 1
    assert offences[0].startswith("machine.py:")


@pytest.mark.parametrize(
    "statement", ["import os\nos.environ['X']", "import os\nos.getenv('X')", "from os import environ as e"]
)
def test_reading_the_environment_is_found(tmp_path, statement):
    package = make_package(tmp_path, config=statement, plan=statement)
    offences = environment_offences(package)
    assert len(offences) == 1
    assert offences[0].startswith("plan.py:")


def test_print_is_found(tmp_path):
    package = make_package(tmp_path, cli__main="print(1)", plan="# print(\n'print(1)'\nprint(1)")
    assert print_offences(package) == ["plan.py:3: prints"]


@pytest.mark.parametrize("line", ["if mode == 'reflect':", "# the median", "def emit_median(self):"])
def test_name_of_a_mode_or_reduction_in_a_backend_is_found(tmp_path, line):
    package = make_package(tmp_path, backends__emit=line, reductions=line)
    assert naming_offences(package) == [f"backends/emit.py:1: {line}"]


def test_slow_import_is_found():
    assert loaded_by_import(("scipy", "numba"), "import scipy") == ["scipy"]


def test_failing_rule_fails_the_test():
    with pytest.raises(AssertionError, match=r"plan\.py:3: prints"):
        assert_no_offences(["plan.py:3: prints"])
