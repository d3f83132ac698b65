"""mcdenoise: a Monte Carlo rendering denoiser that learns from noisy renders alone.

    from mcdenoise import Denoiser, Frame
    clean = Denoiser()(Frame({"color": color}))

`Denoiser` is imported on first use, so that `import mcdenoise` stays free of torch.
"""

from typing import TYPE_CHECKING, Any

from mcdenoise.errors import McdenoiseError
from mcdenoise.frame import Frame

if TYPE_CHECKING:
    from mcdenoise.engine import Denoiser

__all__ = ["Denoiser", "Frame", "McdenoiseError"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Denoiser":
        from mcdenoise.engine import Denoiser

        return Denoiser
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
