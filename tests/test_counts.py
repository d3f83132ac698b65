"""What work costs, counted: no clock, so that it holds on any machine, busy or not (seconds: `make bench`).

A count above its bound is a loss that nobody asked for; one far below it, a bound that guards nothing.
To raise a bound on purpose, change it in the commit that costs it, and say there what was got for it.
"""

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from mcdenoise import Denoiser
from mcdenoise.frame import Frame

MODEL = Path(__file__).parent.parent / "mcdenoise" / "weights" / "standard.safetensors"
EXAMPLE = Path(__file__).parent.parent / "examples" / "frame.exr"
# Functions that numba compiles for a first frame, its own among them: loops, parts of them, numpy's. More and
# smaller ones than with loops over single pixels, in less time (docs/decisions/0023).
COMPILED = 75
# A count may be so much smaller than its bound before the bound has to follow.
SLACK = 0.6

BOUNDS = {
    "FLOP per pixel": 92_000,
    "bytes per pixel, most at a time in numpy's arrays": 216,
    "bytes per pixel, of all tensors one after the other": 900,
    "modules that --help imports": 220,
    "modules that inspect imports": 355,
    "bytes of the shipped model": 4_200_000,
}
NEVER_IMPORTED = {
    "--help": {"numpy", "fileseq", "OpenEXR", "torch", "numba", "scipy", "tqdm"},
    "inspect": {"fileseq", "torch", "numba", "scipy", "tqdm"},
}
# Of libraries that denoising does import: what only compiling needs.
UNUSED = {"scipy.linalg", "numba.np.linalg", "torch._dynamo"}


@pytest.fixture(scope="module")
def counts(noisy_frame: Callable[..., Frame]) -> Iterator[dict[str, float]]:
    """All of the table, of a frame in one tile, in float32 whatever the processor has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        yield counted(noisy_frame(1, size=(512, 512)))


def counted(frame: Frame) -> dict[str, float]:
    """See `BOUNDS`."""
    pixels = frame.size[0] * frame.size[1]
    denoiser = Denoiser("standard", device="cpu")
    with FlopCounterMode(display=False) as flops:  # and numba's loops are compiled, which allocates too
        denoiser(frame)
    numpys, tensors = allocated(denoiser, frame)
    return {
        "FLOP per pixel": flops.get_total_flops() / pixels,
        "bytes per pixel, most at a time in numpy's arrays": numpys / pixels,
        "bytes per pixel, of all tensors one after the other": tensors / pixels,
        "modules that --help imports": len(modules("--help")),
        "modules that inspect imports": len(modules("inspect", str(EXAMPLE))),
        "bytes of the shipped model": MODEL.stat().st_size,
    }


@pytest.mark.parametrize("name", BOUNDS)
def test_count_is_within_its_bound_and_near_it(name: str, counts: dict[str, float]) -> None:
    assert SLACK * BOUNDS[name] <= counts[name] <= BOUNDS[name]


@pytest.mark.parametrize("verb", NEVER_IMPORTED)
def test_what_only_talks_imports_nothing_heavy(verb: str) -> None:
    imported = modules(verb, *([str(EXAMPLE)] if verb == "inspect" else []))
    assert not NEVER_IMPORTED[verb] & imported


def test_the_engine_needs_no_scipy() -> None:
    code = "import sys, mcdenoise.engine; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="what other systems do isn't ours to set")
def test_memory_that_was_freed_is_used_again_without_new_pages() -> None:
    assert pages_of_a_second_array(2**20) < 100 < 10_000 < pages_of_a_second_array(2**24)


@pytest.mark.slow
def test_the_first_frame_compiles_few_functions_and_the_next_process_none(tmp_path: Path) -> None:
    compiled, _ = compiled_and_imported(tmp_path)
    assert 0.8 * COMPILED <= len(compiled) <= COMPILED

    compiled, imported = compiled_and_imported(tmp_path)
    assert not compiled
    assert not UNUSED & imported


def compiled_and_imported(cache: Path) -> tuple[list[str], set[str]]:
    """The functions that numba compiles for a command's frame, and the modules that are there at its end."""
    words = [str(EXAMPLE), "-o", str(cache / "out.exr"), "--force", "--quiet", "--device", "cpu"]
    code = (
        "import json, sys\n"
        "from numba.core import event\n"
        "with event.install_recorder('numba:compile') as compiled:\n"
        "    from mcdenoise.__main__ import main\n"
        f"    main({words!r})\n"
        "functions = [str(e.data['dispatcher']) for _, e in compiled.buffer if e.is_start]\n"
        "print(json.dumps([functions, sorted(sys.modules)]))\n"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    functions, modules = json.loads(told.stdout)
    return functions, set(modules)


def pages_of_a_second_array(pixels: int) -> int:
    """How often the system brought pages for 64 MiB that had been freed, in a command for such a frame."""
    code = (
        "import resource\n"
        "from mcdenoise.commands import _memory\n"
        f"_memory.keep_for(1, {pixels})\n"
        "bytearray(2**26)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "bytearray(2**26)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    return int(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )


def allocated(denoiser: Denoiser, frame: Frame) -> tuple[int, int]:
    """Peak bytes of numpy's arrays, and bytes of all tensors, while a frame is denoised."""
    tracemalloc.start()
    denoiser(frame)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        denoiser(frame)
    return peak, sum(max(event.self_cpu_memory_usage, 0) for event in profiler.events())


def modules(*words: str) -> set[str]:
    """What a fresh Python has imported once a command is done."""
    code = (
        "import contextlib, io, json, sys\n"
        "from mcdenoise.__main__ import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    main({list(words)!r})\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(told.stdout))
