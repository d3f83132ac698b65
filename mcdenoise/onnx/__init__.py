"""A network as ONNX, for runtimes without torch: the Blender extension's."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import inliner

from mcdenoise import files
from mcdenoise.encoding import GUIDE_CHANNELS
from mcdenoise.errors import ModelError
from mcdenoise.networks import _symbols  # noqa: F401 - makes torch.ops.mcdenoise
from mcdenoise.networks._contract import Denoising
from mcdenoise.onnx import _filters

# What onnxruntime 1.17 reads, the oldest with wheels for the Python of Blender 4.2.
OPSET = 18
FORMAT = 9
# Version of the metadata and of what goes in and out.
VERSION = 1
KEY = "mcdenoise"
# Any size will do; the exporter only reads shapes.
EXAMPLE = (64, 96)


def save(path: Path, network: Denoising, name: str, card: Mapping[str, Any]) -> None:
    """Write `network`: inputs `color` and `guides` as `Denoising.forward` has them, of one picture whose
    sides are any multiples of the stride; output `denoised`. The metadata has stride and radius.

    Raises:
        ModelError: the file can't be written.
    """
    about = {
        "version": VERSION,
        "name": name,
        "stride": network.stride,
        "radius": network.radius,
        "card": card,
    }
    model = _exported(network)
    onnx.helper.set_model_props(model, {KEY: json.dumps(about, sort_keys=True)})
    try:
        with files.whole(path) as part:
            part.write_bytes(model.SerializeToString())
    except OSError as error:
        raise ModelError(f"{path}: can't write: {error}; free some space or choose another folder") from error


def _exported(network: Denoising) -> onnx.ModelProto:
    height, width = (
        torch.export.Dim(f"{axis}_in_strides", min=2) * network.stride for axis in ("height", "width")
    )
    sizes = {2: height, 3: width}
    pictures = torch.rand(1, 3, *EXAMPLE), torch.rand(1, GUIDE_CHANNELS, *EXAMPLE)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what torch and onnxscript do among themselves
        program = torch.onnx.export(
            network.eval(), pictures, dynamo=True, dynamic_shapes={"color": sizes, "guides": sizes},
            opset_version=OPSET, input_names=["color", "guides"], output_names=["denoised"], verbose=False,
            custom_translation_table=_translations(),
        )  # fmt: skip
    assert program
    model = inliner.inline_local_functions(program.model_proto)
    model.ir_version = FORMAT
    onnx.checker.check_model(model)
    return model


def _translations() -> dict[Any, Any]:
    """Our operators, each with what it is in ONNX."""
    ours = torch.ops.mcdenoise
    names = ("filtered", "upsampled", "kin")
    return {getattr(ours, name).default: getattr(_filters, name) for name in names}
