"""The pyramid's filters as single operators, for `torch.export`: traced, their loops would be 8,000 nodes.

What they stand for is written in ONNX in `mcdenoise.onnx`; run, they are `_fused`. Each has one result.
"""

import torch
from torch import Tensor

from mcdenoise import affinity
from mcdenoise.networks import _fused


@torch.library.custom_op("mcdenoise::filtered", mutates_args=())
def _filtered(image: Tensor, logits: Tensor, features: Tensor, strength: Tensor) -> Tensor:
    return _fused.filtered(image, logits, features, strength, 5)


@_filtered.register_fake
def _(image: Tensor, logits: Tensor, features: Tensor, strength: Tensor) -> Tensor:
    return torch.empty_like(image)


def filtered(image: Tensor, logits: Tensor, features: Tensor, strength: Tensor, size: int) -> Tensor:
    """`_fused.filtered`."""
    assert size * size == logits.shape[1] == 25
    result: Tensor = _filtered(image, logits, features, strength)
    return result


@torch.library.custom_op("mcdenoise::upsampled", mutates_args=())
def _upsampled(coarse: Tensor, logits: Tensor, fine: Tensor, features: Tensor, strength: Tensor) -> Tensor:
    return torch.cat(_fused.upsampled(coarse, logits, fine, features, strength), dim=1)


@_upsampled.register_fake
def _(coarse: Tensor, logits: Tensor, fine: Tensor, features: Tensor, strength: Tensor) -> Tensor:
    n, channels, height, width = coarse.shape
    return coarse.new_empty(n, channels + 1, 2 * height, 2 * width)


def upsampled(
    coarse: Tensor, logits: Tensor, fine: Tensor, features: Tensor, strength: Tensor
) -> tuple[Tensor, Tensor]:
    """`_fused.upsampled`."""
    found = _upsampled(coarse, logits, fine, features, strength)
    return found[:, :-1], found[:, -1:]


@torch.library.custom_op("mcdenoise::kin", mutates_args=())
def _kin(tone: Tensor, guides: Tensor) -> Tensor:
    return torch.cat(_fused.kin(tone, guides), dim=1)


@_kin.register_fake
def _(tone: Tensor, guides: Tensor) -> Tensor:
    n, _, height, width = tone.shape
    return tone.new_empty(n, 7, height, width)


def kin(tone: Tensor, guides: Tensor) -> affinity.Kin:
    """`_fused.kin`."""
    return affinity.Kin(*_kin(tone, guides).split([3, 1, 1, 1, 1], dim=1))
