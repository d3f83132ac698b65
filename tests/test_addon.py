"""The Blender extension: its worker beside mcdenoise, and, in a Blender, what an artist does with it.

The stories need `MCDENOISE_BLENDER`, a Python that has bpy, and `MCDENOISE_ADDON`, the zip of `make addon`;
`make test-blender` sets both.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcdenoise import encoding, exr, relighting, tiling
from mcdenoise.frame import Frame

ROOT = Path(__file__).parent.parent
STORIES = re.findall(
    r"^def (\w+)\(\) -> None:", (ROOT / "tests/blender_stories.py").read_text(), re.MULTILINE
)
STORIES = [story for story in STORIES if story not in ("install",)]
EXAMPLE = ROOT / "examples" / "frame.exr"

sys.path.insert(0, str(ROOT / "blender_addon"))
from worker import encoding as ours  # noqa: E402 - the extension isn't installed as a package
from worker import exr_file, layers  # noqa: E402
from worker import relighting as our_relighting  # noqa: E402
from worker import tiling as our_tiling  # noqa: E402
from worker.errors import WorkError  # noqa: E402


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.render
@pytest.mark.timeout(600)
def test_story_in_blender(story: str, tmp_path: Path) -> None:
    blender, addon = (os.environ.get(name, "") for name in ("MCDENOISE_BLENDER", "MCDENOISE_ADDON"))
    if "python" not in Path(blender).name or not addon:
        pytest.skip("needs MCDENOISE_BLENDER, a Python with bpy, and MCDENOISE_ADDON: make test-blender")
    program = tmp_path / "mcdenoise"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m mcdenoise "$@"\n')
    program.chmod(0o755)
    words = [blender, str(ROOT / "tests/blender_stories.py"), story, str(tmp_path), addon]
    environment = {**os.environ, "STORY_PROGRAM": str(program)}
    told = subprocess.run(words, env=environment, capture_output=True, text=True)
    sys.stdout.write(told.stdout)
    assert told.returncode == 0, f"{told.stdout}\n{told.stderr}"
    assert f'"passed": "{story}"' in told.stdout


# ---- the worker beside mcdenoise, whose code it doesn't share ----


def frame(noisy_frame: Callable[..., Frame], seed: int, size: tuple[int, int], dark: bool) -> Frame:
    """A noisy frame with what breaks encodings: NaN, Inf, black, a firefly, a far background."""
    planes = {name: plane.copy() for name, plane in noisy_frame(seed, size=size).planes.items()}
    planes["color"][0, 0], planes["color"][3, 4, 1], planes["color"][5, 5] = np.nan, np.inf, 1e8
    planes["depth"][:4] = 1e37
    if dark:
        planes["color"][:] = 0
    return Frame(planes)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [(24, 32), (17, 50)])
@pytest.mark.parametrize("missing", [(), ("albedo",), ("albedo", "normal", "depth")])
def test_worker_encodes_as_mcdenoise_does(
    noisy_frame: Callable[..., Frame], size: tuple[int, int], missing: tuple[str, ...], dark: bool
) -> None:
    whole = frame(noisy_frame, 1, size, dark)
    given = Frame({name: plane for name, plane in whole.planes.items() if name not in missing})
    wanted = encoding.encode(given)
    color, replaced = ours.finite(given.color)
    scale = ours.exposure(color)
    assert (replaced, scale) == (wanted.replaced, pytest.approx(wanted.exposure, rel=1e-6))
    np.testing.assert_allclose(ours.expose(color, scale), wanted.color.numpy(), rtol=1e-5)
    np.testing.assert_array_equal(ours.guides(given.planes, size), wanted.guides.numpy())


@pytest.mark.parametrize("level", [0, 0.5, 0.9, 3])
def test_worker_gives_light_back_as_mcdenoise_does(noisy_frame: Callable[..., Frame], level: float) -> None:
    noisy, exposure = noisy_frame(1, size=(37, 50)).color, 1.7
    noisy[5, 5] = 1e4
    clean = noisy.copy()
    clean[:, 10:] = level * noisy.mean((0, 1))
    before, wanted = clean.copy(), Frame({"color": clean.copy()})
    relighting.give_back(noisy, wanted, exposure)
    given_back = our_relighting.give_back(noisy, clean, exposure)
    np.testing.assert_allclose(given_back, wanted.color, rtol=1e-5)
    np.testing.assert_array_equal(clean, before)
    assert not np.array_equal(given_back, clean)


@given(
    st.tuples(st.integers(1, 700), st.integers(1, 700)), st.integers(0, 60), st.sampled_from([1000, 40_000])
)
@settings(deadline=None, max_examples=40)
def test_worker_tiles_cover_each_pixel_once_and_see_the_radius(
    size: tuple[int, int], radius: int, pixels: int
) -> None:
    count = np.zeros(size, int)
    places = our_tiling.tiles(size, radius, 16, pixels)
    for rows, columns in places:
        count[rows.kept, columns.kept] += 1
        for axis, span in enumerate((rows, columns)):
            assert span.start % 16 == 0
            assert span.start <= max(span.kept_start - radius, 0)
            assert span.stop >= min(span.kept_stop + radius, size[axis])
    assert (count == 1).all()
    assert tiling.tiles(*size, tile=None, radius=radius, stride=16)


def test_worker_reads_what_openexr_reads_and_writes_what_it_reads(tmp_path: Path) -> None:
    picture, (part,) = exr.read(EXAMPLE), exr_file.read(EXAMPLE)
    for name, pixels in picture.parts[0].pixels.items():
        np.testing.assert_array_equal(part.channels[name], pixels)
    exr_file.write(tmp_path / "again.exr", [part])
    again = exr.read(tmp_path / "again.exr").parts[0]
    for name, pixels in picture.parts[0].pixels.items():
        np.testing.assert_array_equal(again.pixels[name], pixels)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("kind", ["suzanne_8spp_seed0", "interior"])
def test_worker_reads_cycles_files_bit_for_bit(shared_assets: Path, kind: str) -> None:
    found = sorted((shared_assets / "exr" / "cycles").rglob("*.exr"))
    files = [path for path in found if kind in str(path)]
    assert files
    for path in files:
        parts = {name: p for part in exr.read(path).parts for name, p in part.pixels.items()}
        ours_of = {name: p for part in exr_file.read(path) for name, p in part.channels.items()}
        assert parts.keys() == ours_of.keys()
        assert all(np.array_equal(parts[name], ours_of[name], equal_nan=True) for name in parts)
        assert len(layers.find(exr_file.read(path))) == 1


@pytest.mark.parametrize("cut", [0, 3, 20, 300, 20_000, -1])
def test_broken_file_is_one_line_with_the_cure(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "broken.exr"
    path.write_bytes(EXAMPLE.read_bytes()[:cut])
    with pytest.raises(WorkError, match=r"broken.exr: is damaged or cut off; render it again"):
        exr_file.read(path)


def worker(request: Any) -> list[dict[str, Any]]:
    """All events of one request, as the extension hears them."""
    process = subprocess.Popen(
        [sys.executable, "-E", "-s", "-m", "worker"], cwd=ROOT / "blender_addon", text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    events = [json.loads(line) for line in process.stdout]
    process.stdin.close()
    process.wait(20)
    process.stdout.close()
    return events


def test_worker_without_a_model_says_so(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    request = {"do": "denoise", "frames": [], "engine": "numpy", "model": str(model), "options": {}}
    assert "can't be read: No such file" in worker(request)[-1]["error"]
    model.write_bytes(b"nonsense")
    assert "no model of mcdenoise, or damaged" in worker(request)[-1]["error"]


def test_extension_imports_nothing_of_ours() -> None:
    text = "".join(path.read_text() for path in (ROOT / "blender_addon").rglob("*.py"))
    imported = re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE)
    assert not {"mcdenoise", "torch", "renderers", "onnx"} & set(imported)
