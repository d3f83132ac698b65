"""The shipped model, a frame in two halves, and `--adapt`: nearer to the clean frame, or as it was."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small

from mcdenoise import exr, metrics
from mcdenoise.__main__ import main
from mcdenoise.frame import Frame

MakeFrame = Callable[..., Frame]
SIZE = (192, 192)


@pytest.mark.slow
def test_adapted_frame_is_no_worse_and_keeps_its_light(tmp_path: Path, noisy_frame: MakeFrame) -> None:
    halves = noisy_frame(1, size=SIZE, sigma=1.0), noisy_frame(2, size=SIZE, sigma=1.0)
    clean = noisy_frame(0, size=SIZE, sigma=0.0).color
    first = str(small.save_pair(tmp_path, "view", halves))
    words = [first, "--half", first.replace(".a.", ".b."), "--device", "cpu"]
    without, adapted = tmp_path / "without.exr", tmp_path / "adapted.exr"
    assert main([*words, "-o", str(without)]) == 0
    assert main([*words, "-o", str(adapted), "--adapt"]) == 0
    before, after = (exr.read_frame(path).color for path in (without, adapted))
    steps = exr.read(adapted).parts[0].head.values["mcdenoise.adapted"]
    if steps == 0:
        assert np.array_equal(before, after)
    assert metrics.relmse(after, clean) <= 1.02 * metrics.relmse(before, clean)
    assert after.mean() == pytest.approx(clean.mean(), rel=0.04)
