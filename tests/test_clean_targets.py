"""benchmarks.clean_targets: its arms learn from what they say."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import clean_targets
from mcdenoise import dataset, exr
from mcdenoise.errors import TrainingError
from mcdenoise.frame import Frame
from mcdenoise.views import View


def rendered(folder: Path, count: int) -> list[View]:
    """Noisy halves, and a clean render without any noise."""
    chance = np.random.default_rng(1)
    for number in range(count):
        for letter, noise, spp in (("a", 0.2, 8), ("b", 0.2, 8), ("clean", 0.0, 48)):
            color = 1 + noise * chance.standard_normal((32, 32, 3), np.float32)
            frame = Frame({"color": color}, {"mcdenoise.spp": spp})
            exr.write_frame(folder / f"view{number}.{letter}.exr", frame)
    return dataset.load(folder)[0]


def test_clean_render_is_always_the_target_and_never_the_input(tmp_path: Path) -> None:
    views = clean_targets.with_clean(rendered(tmp_path, 2), tmp_path)
    batch = dataset.Batches(views, dataset.Cut(32, 16, 1, mixing=0.0))[0]
    assert batch.target.std(dim=(2, 3)).max() < 1e-6
    assert (batch.color.std(dim=(2, 3)) / batch.color.mean(dim=(2, 3))).min() > 0.1


def test_equal_render_time_buys_few_clean_views(tmp_path: Path) -> None:
    clean = clean_targets.with_clean(rendered(tmp_path, 7), tmp_path)
    assert len(clean_targets.affordable(clean)) == 2  # 7 pairs of 16 samples: 2 clean views of 56


def test_view_without_a_clean_render_is_named(tmp_path: Path) -> None:
    noisy = rendered(tmp_path, 1)
    (tmp_path / "view0.clean.exr").unlink()
    with pytest.raises(TrainingError, match=r"view0\.clean\.exr"):
        clean_targets.with_clean(noisy, tmp_path)
