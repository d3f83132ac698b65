"""What every network promises."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn


class Denoising(nn.Module, ABC):
    """A network that denoises exposed radiance with the help of guides.

    Sizes of pictures are multiples of `stride`; a pixel of the output depends on nothing beyond `radius`.
    Tiles that start on multiples of `stride` and overlap by `radius` join without a seam.
    """

    stride: ClassVar[int]
    radius: ClassVar[int]

    @property
    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """The arguments that build this network again."""

    def hasten(self) -> None:
        """Compile what gains most by it, for pictures of one size: minutes, before many steps of training."""
        self.compile(dynamic=False)

    @abstractmethod
    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """Denoised radiance, float32, in the exposure of `color`; guides as `encoding.guides`
        lays them out."""
