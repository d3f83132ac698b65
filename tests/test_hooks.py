"""Denoising as the last step of a render: the commands of docs/farm.md, with the real renderers."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mcdenoise import exr
from mcdenoise.errors import UsageError
from renderers.backends import _blender

HERE = Path(__file__).parent
HANDLER = HERE.parent / "examples" / "denoise_after_render.py"


def run_in_blender(script: Path, *words: str, **more: str) -> None:
    """The script, in what MCDENOISE_BLENDER names: a Blender, or a Python that has bpy."""
    try:
        program = _blender.find()
    except UsageError as error:
        pytest.skip(f"needs a Blender: {error}")
    command = _blender.command_line(program, Path())
    place = command.index(str(_blender.PROGRAM))
    command = [*command[:place], str(script), *command[place + 1 : -2], *words]
    told = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, timeout=280)
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Our own mcdenoise, for renderers that have another Python."""
    path = tmp_path / "mcdenoise"
    root = shlex.quote(str(HERE.parent))
    path.write_text(f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} -m mcdenoise "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.render
def test_blender_denoises_its_animation_when_it_is_rendered(tmp_path: Path, program: Path) -> None:
    run_in_blender(HERE / "make_blend.py", str(tmp_path))
    frames = tmp_path / "frames"
    words = [str(tmp_path / "moving.blend"), str(HANDLER), str(frames)]
    run_in_blender(HERE / "render_with_handler.py", *words, MCDENOISE=str(program), MCDENOISE_FLAGS="--quiet")
    names = sorted(path.name for path in frames.iterdir())
    assert names == ["shot.0001.exr", "shot.0002.exr", "shot_denoised.0001.exr", "shot_denoised.0002.exr"]
    for noisy, clean in zip(names[:2], names[2:], strict=True):
        before, after = (exr.read_frame(frames / name) for name in (noisy, clean))
        assert set(after.planes) == {"color", "albedo", "normal", "depth"}
        assert after.color.std() < before.color.std()


@pytest.mark.render
def test_mitsubas_own_program_then_ours(tmp_path: Path, program: Path) -> None:
    mitsuba = shutil.which("mitsuba", path=Path(sys.executable).parent) or shutil.which("mitsuba")
    if not mitsuba:
        pytest.skip("no program mitsuba: pip install mitsuba")
    scene = HERE.parent / "examples" / "scenes" / "corner.xml"
    out, clean = tmp_path / "shot.0001.exr", tmp_path / "shot_denoised.0001.exr"
    script = f"{mitsuba} -m scalar_rgb {scene} -o {out} && {program} {out} --quiet"
    told = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, timeout=280)
    assert told.returncode == 0, told.stdout + told.stderr
    assert exr.read_frame(clean).color.std() < exr.read_frame(out).color.std()
