"""Shots that are rendered, denoised and measured, small: the vote of neighbours pays on both."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import shot_mitsuba, temporal
from mcdenoise.errors import UsageError
from renderers.backends import _blender

ROOT = Path(__file__).parent.parent
SMALL = ["--frames", "3", "--spp", "4", "--clean-spp", "128", "--size", "64x48"]


def measured(
    shot: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Error and flicker are less with `--temporal`, and there is a picture."""
    monkeypatch.setattr(sys, "argv", ["temporal", str(shot), "--out", str(out)])
    assert temporal.main() == 0
    rows = [[cell.strip() for cell in line.split("|")] for line in capsys.readouterr().out.splitlines()]
    (_, name, _, *before), (_, _, way, *after) = rows[2][:-1], rows[3][:-1]
    assert (name, way) == (shot.name, "--temporal")
    relmse, _, difference, flicker = zip(map(float, before), map(float, after), strict=True)
    assert relmse[1] < relmse[0]
    assert difference[1] < 0.9 * difference[0]
    assert flicker[1] < flicker[0]
    assert (out / shot.name / "flicker.png").stat().st_size > 1000


@pytest.mark.render
def test_vote_by_camera_and_depth_pays_on_a_shot_of_mitsuba(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = ROOT / "examples" / "scenes" / "room.xml"
    monkeypatch.setattr(sys, "argv", ["shot_mitsuba", str(scene), "-o", str(tmp_path / "shot"), *SMALL])
    assert shot_mitsuba.main() == 0
    measured(tmp_path / "shot", tmp_path / "out", monkeypatch, capsys)


@pytest.mark.render
def test_vote_by_motion_vectors_pays_on_a_shot_of_blender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        python = _blender.find()
    except UsageError as error:
        pytest.skip(f"needs a Blender: {error}")
    if "python" not in Path(python).name:
        pytest.skip("needs a Blender that is a Python module, bpy")
    command = [python, str(ROOT / "benchmarks" / "shot_blender.py"), "-o", str(tmp_path / "shot"), *SMALL]
    subprocess.run(command, check=True, capture_output=True, timeout=280)
    measured(tmp_path / "shot", tmp_path / "out", monkeypatch, capsys)


def test_shot_without_frames_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["temporal", str(tmp_path), "--out", str(tmp_path / "out")])
    assert temporal.main() == 3
    assert capsys.readouterr().err.count("\n") == 1
