"""What users of each package wait for besides the work: its import, its first call, and the overhead of a call.

Everybody filters an image of 64 x 64 with a window of 5 x 5 (or a line with a window of 25); each number comes from
processes of their own. Kernelscape's cache on disk is empty; what others keep between processes they may keep.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Container, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from benchmarks import THREADS
from benchmarks.record import Wait

PROCESSES = 3
CALLS = 200


@dataclass(frozen=True)
class Recipe:
    """How a package's user does it.

    `imports` and `setup` are statements, `call` is an expression that gives the result; `right` names what is right;
    `cut` is what has to be taken off each side before the result is compared, because the package has another border.
    """

    module: str
    job: str
    imports: str
    setup: str
    call: str
    right: str = "correlated"
    cut: int = 0


CORRELATE = "correlate f32 5x5"
RECIPES = {
    "kernelscape": Recipe(
        "kernelscape",
        CORRELATE,
        "import kernelscape as ks",
        "",
        "ks.correlate(image, kernel, output=output, workers=threads)",
    ),
    "opencv": Recipe(
        "cv2",
        CORRELATE,
        "import cv2",
        "cv2.setNumThreads(threads)",
        "cv2.filter2D(image, -1, kernel, dst=output, borderType=cv2.BORDER_REFLECT)",
    ),
    "scipy": Recipe(
        "scipy",
        CORRELATE,
        "import scipy.ndimage",
        "",
        "(scipy.ndimage.correlate(image, kernel, output=output), output)[1]",
    ),
    "numba": Recipe(
        "numba",
        CORRELATE,
        "import numba",
        """
@numba.njit(parallel=True)
def loop(image, kernel, output):
    for y in numba.prange(2, image.shape[0] - 2):
        for x in range(2, image.shape[1] - 2):
            total = np.float32(0)
            for i in range(5):
                for j in range(5):
                    total += image[y + i - 2, x + j - 2] * kernel[i, j]
            output[y, x] = total
    return output
""",
        "loop(image, kernel, output)",
        cut=2,
    ),
    "halide": Recipe(
        "halide",
        CORRELATE,
        "import halide as hl",
        """
def compiled():
    source, weights = hl.ImageParam(hl.Float(32), 2, "source"), hl.ImageParam(hl.Float(32), 2, "weights")
    x, y, filtered = hl.Var("x"), hl.Var("y"), hl.Func("filtered")
    window = hl.BoundaryConditions.mirror_image(source)
    terms = [window[x + i - 2, y + j - 2] * weights[i, j] for j in range(5) for i in range(5)]
    filtered[x, y] = sum(terms[1:], terms[0])
    filtered.vectorize(x, 16).compile_jit()
    source.set(hl.Buffer(image))
    weights.set(hl.Buffer(kernel))
    return filtered
kept = []
buffer = hl.Buffer(output)
def work():
    if not kept:
        kept.append(compiled())
    kept[0].realize(buffer)
    return output
""",
        "work()",
    ),
    "torch": Recipe(
        "torch",
        CORRELATE,
        "import torch",
        "torch.set_num_threads(threads); a, k = (torch.from_numpy(v)[None, None] for v in (image, kernel))",
        "torch.nn.functional.conv2d(a, k, padding=2)[0, 0].numpy()",
        cut=2,
    ),
    "jax": Recipe(
        "jax",
        CORRELATE,
        "import jax",
        "compiled = jax.jit(lambda a, k: jax.lax.conv(a[None, None], k[None, None], (1, 1), 'SAME')[0, 0])",
        "np.asarray(compiled(image, kernel))",
        cut=2,
    ),
    "astropy": Recipe(
        "astropy",
        CORRELATE,
        "from astropy.convolution import convolve",
        "kernel64 = kernel[::-1, ::-1].astype(float)",
        "convolve(image, kernel64, boundary='extend', normalize_kernel=False).astype(np.float32)",
        cut=2,
    ),
    "pylops": Recipe(
        "pylops",
        CORRELATE,
        "import pylops",
        "operator = pylops.signalprocessing.Convolve2D(image.shape, kernel[::-1, ::-1], (2, 2), dtype='float32')",
        "operator @ image",
        cut=2,
    ),
    "skimage": Recipe(
        "skimage",
        "median u8 5x5",
        "import skimage.filters.rank",
        "square = np.ones((5, 5), np.uint8)",
        "skimage.filters.rank.median(grey, square)",
        "median",
        cut=2,
    ),
    "bottleneck": Recipe(
        "bottleneck",
        "1-D mean f64 25",
        "import bottleneck",
        "",
        "bottleneck.move_mean(line, 25)[24:]",
        "mean",
    ),
}

PRELUDE = """
import json, sys, time
clock = time.perf_counter
threads, calls = int(sys.argv[1]), int(sys.argv[2])
import numpy as np
rng = np.random.default_rng(0)
image, kernel = rng.random((64, 64), dtype=np.float32), rng.random((5, 5), dtype=np.float32)
grey, line = rng.integers(0, 256, (64, 64), np.uint8), rng.random(4096)
output = np.empty_like(image)
start = clock()
"""
TIMING = """
work()
groups = []
for _ in range(10):
    before = clock()
    for _ in range(calls // 10 + 1):
        work()
    groups.append((clock() - before) / (calls // 10 + 1))
windows = np.lib.stride_tricks.sliding_window_view
if right == "correlated":
    expected = np.einsum("yxij,ij->yx", windows(np.pad(image, 2, mode="symmetric"), (5, 5)), kernel)
elif right == "median":
    expected = np.median(windows(np.pad(grey, 2, mode="symmetric"), (5, 5)), axis=(2, 3))
else:
    expected = np.mean(windows(line, 25), axis=-1)
inside = (slice(cut, -cut or None),) * expected.ndim
found = result[inside] if result.shape == expected.shape else result
if not np.allclose(found, expected[inside], rtol=1e-4):
    raise RuntimeError("the result is not what the definition gives")
print(json.dumps({"imports": imports, "first": first, "again": min(groups)}))
"""


def script_of(recipe: Recipe) -> str:
    return "\n".join(
        [
            PRELUDE,
            recipe.imports,
            "imports = clock() - start",
            recipe.setup,
            f"work = lambda: {recipe.call}" if recipe.call != "work()" else "",
            f"right, cut = {recipe.right!r}, {recipe.cut}",
            "before = clock()",
            "result = work()",
            "first = clock() - before",
            TIMING,
        ]
    )


def run_recipe(recipe: Recipe, calls: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="kernelscape-benchmark-") as folder:
        environment = {**os.environ, "KERNELSCAPE_CACHE_DIR": folder}
        # Python compiles sources once and keeps the bytecode, unless told otherwise: timed is a program's second run.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-c", script_of(recipe), str(THREADS), str(calls)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    if result.returncode:
        lines = result.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"the process ended with {result.returncode}")
    return json.loads(result.stdout.splitlines()[-1])


def measure_waits(
    processes: int = PROCESSES, calls: int = CALLS, packages: Container[str] = tuple(RECIPES)
) -> Iterator[Wait]:
    """Measure those of the packages that are installed."""
    for package, recipe in RECIPES.items():
        if package not in packages or find_spec(recipe.module) is None:
            continue
        if processes > 1:
            run_recipe(recipe, 1)  # whatever is kept on disk, Python's bytecode above all, is there from now on
        found = [run_recipe(recipe, calls) for _ in range(processes)]
        middle = {key: statistics.median(one[key] for one in found) for key in found[0]}
        yield Wait(package, recipe.job, **middle)
