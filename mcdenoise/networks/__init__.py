"""A module per network, found by name; each has a class `Network` that obeys `_contract.Denoising`."""

from typing import Any

import mcdenoise.networks as package
from mcdenoise import plugins
from mcdenoise.networks._contract import Denoising


def build(name: str, recipe: dict[str, Any]) -> Denoising:
    """The network `name`, fresh, with the sizes in `recipe`.

    Raises:
        UsageError: there is no such network.
    """
    network: Denoising = plugins.load(package, name).Network(**recipe)
    return network
