"""The steps of `benchmarks/gpu` on the CPU, tiny: what renders, packs, learns and comes back from a GPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import frame
from mcdenoise import checkpoint

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "mcdenoise" / "weights" / "standard.safetensors"

pytestmark = pytest.mark.render


def step(tmp_path: Path, *words: str) -> Path:
    """Run a step; gives back the folder of what would be fetched."""
    out = tmp_path / "out"
    environment = {**os.environ, "MCDENOISE_GPU_TRIAL": "1", "WORK": str(tmp_path / "work"), "OUT": str(out),
                   "PYTHON": sys.executable, "LEAST": "2"}  # fmt: skip
    command = ["sh", "benchmarks/gpu/step.sh", *words]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return out


def test_training_goes_on_from_step_to_step_and_on_a_fresh_machine(tmp_path: Path) -> None:
    out = step(tmp_path, "train", "40", "20")
    assert list(out.glob("state.*"))
    (tmp_path / "brought").mkdir()
    for path in out.iterdir():
        path.rename(tmp_path / "brought" / path.name)
    fresh = tmp_path / "fresh"
    fresh.mkdir()

    step(fresh, "resume", str(tmp_path / "brought"))

    state, about = checkpoint.read(fresh / "work" / "train" / "model.run" / "state.safetensors")
    assert about["step"] > 0
    assert any(name.startswith("adam.") for name in state)


def test_rendering_is_timed_each_way_and_one_that_fails_has_made_nothing(tmp_path: Path) -> None:
    told = (step(tmp_path, "render", "300") / "render.txt").read_text().splitlines()
    assert [line.split(",")[0] for line in told] == ["cuda_ad_rgb", "cuda_ad_rgb", "llvm_ad_rgb"]
    views = [int(re.search(r"views: (\d+)", line)[1]) for line in told]  # type: ignore[index]
    assert views[2] == 2 * 2 * (os.cpu_count() or 1)
    assert torch.cuda.is_available() or views[:2] == [0, 0]


def test_frame_on_the_device_is_what_the_cpu_makes_in_full_precision() -> None:
    made = frame.made_up(64, 96)
    assert frame.difference(made, MODEL, torch.device("cpu")) < 0.2
    assert len(frame.times(lambda: None, torch.device("cpu"))) == frame.ROUNDS
