"""What Dask's workers load first in tests: an engine that takes its time, and a note of who they are."""

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import halving_engine

from mcdenoise.frame import Frame


class Slow(halving_engine.Denoiser):
    """A fifth of a second a frame."""

    def __call__(self, frame: Frame, **more: object) -> Frame:
        """Half the color, in time."""
        time.sleep(0.2)
        return super().__call__(frame, **more)  # type: ignore[arg-type]


sys.modules["mcdenoise.engine"] = SimpleNamespace(Denoiser=Slow)  # type: ignore[assignment]
(Path(os.environ["TEST_WORKERS"]) / str(os.getpid())).touch()
