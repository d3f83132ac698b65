"""A stand-in for `mcdenoise.engine` whose every answer is known: for tests of what is around the network."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mcdenoise.frame import Frame


class Denoiser:
    """Halves the color; a value that is no radiance becomes zero, and its pixel is counted."""

    def __init__(
        self, model: str | Path = "standard", *, device: str = "auto", tile: int | None = None, looks: int = 1
    ) -> None:
        self.model_name = Path(model).stem
        self.device, self.tile, self.looks = device, tile, looks

    @staticmethod
    def use_threads(count: int) -> None:
        """It has no threads."""

    def __call__(
        self, frame: Frame, *, strength: float = 1.0, on_tile: Callable[[int, int], None] | None = None
    ) -> Frame:
        """Half the color, and its layers, at full strength."""
        sound = np.isfinite(frame.color) & (frame.color >= 0)
        for done in range(3):
            if on_tile:
                on_tile(done + 1, 3)
        color = np.where(sound, frame.color, 0) * np.float32(1 - strength / 2)
        return Frame(
            {"color": color.astype(np.float32)},
            {"mcdenoise.replaced": int((~sound).any(axis=-1).sum())},
            {name: plane * np.float32(1 - strength / 2) for name, plane in frame.layers.items()},
        )


@pytest.fixture
def halving_engine(monkeypatch: pytest.MonkeyPatch) -> type[Denoiser]:
    """`mcdenoise.engine.Denoiser` is replaced by one that needs neither torch nor a model."""

    class Mine(Denoiser):
        pass

    monkeypatch.setitem(sys.modules, "mcdenoise.engine", SimpleNamespace(Denoiser=Mine))
    return Mine
