"""Models and training states in safetensors files: weights, and the recipe that rebuilds the network."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from mcdenoise import files, networks, tza
from mcdenoise.errors import McdenoiseError, ModelError
from mcdenoise.networks import unet
from mcdenoise.networks._contract import Denoising

VERSION = 1
KEY = "mcdenoise"
# Shipped models by name.
WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Model:
    """A network that is ready to run, and the card of how it came about."""

    name: str
    network: Denoising
    card: Mapping[str, Any] = field(default_factory=dict)


def save_model(path: Path, network: Denoising, card: Mapping[str, Any]) -> None:
    """Write weights, recipe and card.

    Raises:
        ModelError: the file can't be written.
    """
    name = type(network).__module__.rsplit(".", 1)[-1]
    about = {"version": VERSION, "network": name, "recipe": network.recipe, "card": dict(card)}
    weights = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    write(path, weights, about)


def load_model(model: str | Path) -> Model:
    """A model by the name of a shipped one, or from a file: ours, or weights of OIDN's base network (`.tza`).

    Raises:
        ModelError: no such model, or the file is damaged, of another kind, or newer than this program.
    """
    path = _path(model)
    if path.suffix == ".tza":
        return _of_oidn(path)
    weights, about = read(path)
    try:
        network = networks.build(about["network"], about["recipe"])
    except (KeyError, TypeError, ValueError, RuntimeError, McdenoiseError) as error:
        raise ModelError(f"{path}: not a mcdenoise model: {str(error).splitlines()[0]}") from error
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        cure = "use the mcdenoise that trained it, or train it again"
        raise ModelError(f"{path}: its weights don't fit this {about['network']}; {cure}") from error
    network.eval()
    return Model(path.stem, network, about.get("card", {}))


def save_tza(path: Path, model: Model) -> None:
    """Write the weights of a `unet` as Open Image Denoise reads them.

    Raises:
        ModelError: it is another network, or the file can't be written.
    """
    if not isinstance(model.network, unet.Network):
        name = type(model.network).__module__.rsplit(".", 1)[-1]
        raise ModelError(f"{model.name}: is a {name}; OIDN runs a unet only: mcdenoise train --network unet")
    tza.write(path, unet.tensors(model.network))


def _of_oidn(path: Path) -> Model:
    try:
        return Model(path.stem, unet.from_tensors(tza.read(path)).eval(), {"from": path.name})
    except ValueError as error:
        raise ModelError(f"{path}: {error}") from error


def write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and what is said about them, whole or not at all; the same content gives the same bytes.

    Raises:
        ModelError: the file can't be written.
    """
    # One JSON value, because safetensors orders several metadata keys at random.
    metadata = {KEY: json.dumps(about, sort_keys=True)}
    try:
        with files.whole(path) as part:
            # Not by `save_file`, whose files nobody but their owner may read.
            part.write_bytes(safetensors.torch.save(dict(tensors), metadata))
    except (OSError, safetensors.SafetensorError) as error:
        raise ModelError(f"{path}: can't write: {error}; free some space or choose another folder") from error


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file of ours, and what is said about them.

    Raises:
        ModelError: there is no such file, or it is damaged, of another kind, or newer than this program.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = (file.metadata() or {}).get(KEY)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, safetensors.SafetensorError) as error:
        raise ModelError(f"{path}: can't read this model: {error}") from error
    return tensors, _about(path, metadata)


def _about(path: Path, metadata: str | None) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads(metadata or "")
        version = int(about["version"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: a safetensors file, but not one of mcdenoise") from error
    if version > VERSION:
        raise ModelError(f"{path}: format version {version}, this program reads {VERSION}; update mcdenoise")
    return about


def _path(model: str | Path) -> Path:
    shipped = {path.stem: path for path in sorted(WEIGHTS.glob("*.safetensors"))}
    if str(model) in shipped:
        return shipped[str(model)]
    if not Path(model).is_file():
        raise ModelError(
            f"{model}: no such model; shipped are: {', '.join(shipped) or 'none'}; or give a file"
        )
    return Path(model)
