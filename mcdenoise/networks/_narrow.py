"""A smaller trunk that begins with those channels of a larger one that matter most."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mcdenoise.networks._trunk import Trunk


@torch.no_grad()
def narrowed(wide: Trunk, widths: Sequence[int]) -> dict[str, Tensor]:
    """The state of a trunk with fewer channels a level, from 1/2 to 1/16; it wants training before it is of
    use. What a channel matters is the norm of the weights that make it times that of those which read it.

    Source: Li et al. 2017, "Pruning Filters for Efficient ConvNets", who rank by the first of these.
    """
    layers = {name: layer for name, layer in wide.named_modules() if isinstance(layer, nn.Conv2d)}
    sources = _sources(len(widths))
    read = {name: torch.zeros(layer.out_channels) for name, layer in layers.items()}
    for name, given in sources.items():
        parts = layers[name].weight.square().sum((0, 2, 3)).split([len(read[one]) for one in given])
        for one, part in zip(given, parts, strict=True):
            read[one] += part
    kept = {}
    for name, layer in layers.items():
        made = layer.weight.square().sum((1, 2, 3))
        is_head = name.startswith("heads")
        count = layer.out_channels if is_head else widths[int(name.split(".")[1])]
        kept[name] = (made if is_head else made * read[name]).topk(count).indices.sort().values
    state = {}
    for name, layer in layers.items():
        assert layer.bias is not None
        inputs, first = [], 0
        for one in sources.get(name, []):
            inputs.append(first + kept[one])
            first += len(read[one])
        weight = layer.weight[kept[name]]
        state[f"{name}.weight"] = weight[:, torch.cat(inputs)] if inputs else weight.clone()
        state[f"{name}.bias"] = layer.bias[kept[name]].clone()
    return state


def _sources(levels: int) -> dict[str, list[str]]:
    """For each convolution but the first: whose outputs it is given, in this order."""
    found = {}
    below = [f"decoders.{level}.1.0" for level in range(levels - 1)] + [f"encoders.{levels - 1}.1.0"]
    for level in range(levels):
        if level:
            found[f"encoders.{level}.0.0"] = [f"encoders.{level - 1}.1.0"]
        found[f"encoders.{level}.1.0"] = [f"encoders.{level}.0.0"]
        if level < levels - 1:
            found[f"decoders.{level}.0.0"] = [below[level + 1], f"encoders.{level}.1.0"]
            found[f"decoders.{level}.1.0"] = [f"decoders.{level}.0.0"]
        found[f"heads.{level}"] = [below[level]]
    return found
