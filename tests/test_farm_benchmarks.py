"""The benchmarks of many frames and the plan for a farm: tiny, and by numbers whose answer is known."""

import sys
from pathlib import Path

import pytest

from benchmarks import farm_plan, many_frames
from benchmarks.farm_plan import MIB, Plan


def plan(**changes: float) -> Plan:
    """Ten frames a chunk, a frame in 2 s, 10 s to start: 3 s a frame with its part."""
    usual = {"frames": 1000, "machines": 10, "chunk": 10, "network": 2.0, "start": 10.0,
             "read": 20 * MIB, "written": 10 * MIB, "storage": 1000.0 * MIB}  # fmt: skip
    return Plan(**{**usual, **changes})  # type: ignore[arg-type]


def test_plan_follows_from_its_numbers() -> None:
    assert plan().a_frame == 3
    assert plan().bandwidth == 100 * MIB
    assert plan().most_machines == 100
    assert plan().hours == pytest.approx(10 * 30 / 3600)


def test_storage_that_is_too_slow_decides() -> None:
    slow = plan(storage=50 * MIB)
    assert slow.most_machines == 5
    assert slow.hours == pytest.approx(1000 * 30 / 50 / 3600)
    assert "| saturates first | the storage |" in slow.as_markdown()
    assert "| saturates first | the machines |" in plan().as_markdown()


def test_command_counts_the_bytes_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frame, result = tmp_path / "frame.exr", tmp_path / "result.exr"
    frame.write_bytes(bytes(3 * MIB))
    words = ["plan", str(frame), str(result), "--network", "2", "--start", "4"]
    monkeypatch.setattr(sys, "argv", words)
    assert farm_plan.main() == 3
    assert capsys.readouterr().err == f"benchmarks.farm_plan: {result}: no such file\n"
    result.write_bytes(bytes(MIB))
    assert farm_plan.main() == 0
    assert "| a frame: read, written | 3.0 MiB, 1.0 MiB |" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("what", ["overhead", "workers"])
def test_many_frames_are_measured(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    words = ["many_frames", what, "--frames", "2", "--size", "16x16", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", words)
    assert many_frames.main() == 0
    assert capsys.readouterr().out.count("| 2 frames of 16x16 |") == 1
