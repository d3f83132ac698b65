"""`mcdenoise export`: a model for programs that don't run torch."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from mcdenoise.commands._terminal import say
from mcdenoise.errors import UsageError

HELP = "write a model for other programs: ONNX, or OIDN's weights (.tza)"
EXAMPLES = """\
examples:
  mcdenoise export standard --to onnx -o standard.onnx
  mcdenoise export show.safetensors --to onnx -o show.onnx
  mcdenoise export show.safetensors --to tza -o show.tza    a unet, for OIDN: oidnDenoise -w show.tza

ONNX: opset 18, which onnxruntime 1.17 reads. Inputs `color` (1 3 h w, exposed radiance) and `guides`
(1 10 h w), output `denoised`; h and w are any multiples of the `stride` in the file's metadata, two of them
at least. Needs pip install 'mcdenoise[onnx]'.
TZA: for Open Image Denoise's HDR filter with color, albedo and normal.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this verb."""
    parser.add_argument("model", metavar="MODEL", help="name of a shipped model, or a file")
    parser.add_argument("--to", choices=("onnx", "tza"), default="onnx", help="format (onnx)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="what to write")


def run(arguments: argparse.Namespace) -> int:
    """Load, translate, write."""
    out: Path = arguments.output
    if out.suffix != f".{arguments.to}":
        raise UsageError(f"-o {out}: a name ending in .{arguments.to} is needed")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out.parent}: no such folder; make it first")
    if arguments.to == "tza":
        return _to_tza(arguments.model, out)
    if missing := [name for name in ("onnx", "onnxscript") if not find_spec(name)]:
        raise UsageError(f"export: needs {' and '.join(missing)}; pip install 'mcdenoise[onnx]'")

    from mcdenoise import checkpoint, onnx

    model = checkpoint.load_model(arguments.model)
    onnx.save(out, model.network, model.name, model.card)
    say(f"{out}: {model.name} as ONNX, opset {onnx.OPSET}")
    return 0


def _to_tza(model: str, out: Path) -> int:
    from mcdenoise import checkpoint

    loaded = checkpoint.load_model(model)
    checkpoint.save_tza(out, loaded)
    say(f"{out}: {loaded.name} as weights for OIDN")
    return 0
