"""What every network promises."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mcdenoise import affinity
from mcdenoise.encoding import tone_map


class Output(NamedTuple):
    """What a network makes of a picture.

    Attributes:
        estimate: denoised radiance.
        noise: the variance of the input's noise in tones, of a network that predicts it.
        strain: how far its predictions are from what it began with, of one that begins with something good,
            while it is trained.
        carried: layers and shares of `Riders`, filtered.
        guides: albedo and normal, prefiltered, and nearness, of a network that does so.
    """

    estimate: Float[Tensor, "n 3 h w"]
    noise: Float[Tensor, "n 1 h w"] | None = None
    strain: Float[Tensor, ""] | None = None
    carried: Float[Tensor, "n r h w"] | None = None
    guides: Float[Tensor, "n 7 h w"] | None = None


class Riders(NamedTuple):
    """What goes through a picture's filter beside it.

    Attributes:
        layers: radiance, three channels each: the picture's own first, then parts of it.
        shares: what no surface colors: alpha.
    """

    layers: Float[Tensor, "n l h w"]
    shares: Float[Tensor, "n s h w"]


class Denoising(nn.Module, ABC):
    """A network that denoises exposed radiance with the help of guides.

    Sizes of pictures are multiples of `stride`; a pixel of the output depends on nothing beyond `radius`.
    Tiles that start on multiples of `stride` and overlap by `radius` join without a seam. A `frugal`
    network's `forward` takes so little memory on the CPU that tiles may be larger.
    """

    stride: ClassVar[int]
    radius: ClassVar[int]
    frugal: ClassVar[bool] = False

    @property
    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """The arguments that build this network again."""

    def take_over(self, given: "Denoising") -> bool:
        """Begin with the weights of another of this kind; False where their sizes don't allow it."""
        if given.recipe != self.recipe:
            return False
        self.load_state_dict(given.state_dict())
        return True

    def hasten(self) -> None:
        """Compile what gains most by it, for pictures of one size: minutes, before many steps of training."""
        self.compile(dynamic=False)

    @abstractmethod
    def forward(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """Denoised radiance, float32, in the exposure of `color`; guides as `encoding.guides`
        lays them out."""

    def in_full(self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"]) -> Output:
        """Denoised radiance, and what else training looks at."""
        return Output(self(color, guides))

    def carry(
        self, color: Float[Tensor, "n 3 h w"], guides: Float[Tensor, "n g h w"], riders: Riders
    ) -> Output:
        """Denoised radiance, and the riders through one filter that is linear in them: sums stay sums.

        A network without kernels of its own lends its picture to a cross-bilateral filter of two rounds.
        """
        estimate = self(color, guides)
        features = torch.cat([guides[:, : affinity.CHANNELS], tone_map(estimate)], dim=1)
        carried = torch.cat(riders, dim=1)
        for step in (1, 2):
            carried = affinity.smoothed_alike(carried, features, 5, step=step)
        return Output(estimate, carried=carried)
