"""mcdenoise: a Monte Carlo rendering denoiser that learns from noisy renders alone.

    from mcdenoise import Denoiser, Frame
    clean = Denoiser()(Frame({"color": color}))

Both are imported on first use, so that `import mcdenoise` stays free of numpy and torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from mcdenoise.errors import McdenoiseError

if TYPE_CHECKING:
    from mcdenoise.engine import Denoiser
    from mcdenoise.frame import Frame

__all__ = ["Denoiser", "Frame", "McdenoiseError"]
__version__ = "0.1.0"
_MODULES = {"Denoiser": "engine", "Frame": "frame"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"mcdenoise.{_MODULES[name]}"), name)
