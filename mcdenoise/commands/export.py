"""`mcdenoise export`: a model for programs that don't run torch."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from mcdenoise.commands._terminal import say
from mcdenoise.errors import UsageError

HELP = "write a model as ONNX, for the Blender extension and other programs without torch"
EXAMPLES = """\
examples:
  mcdenoise export standard --to onnx -o standard.onnx
  mcdenoise export show.safetensors --to onnx -o show.onnx

Opset 18, which onnxruntime 1.17 reads. Inputs `color` (1 3 h w, exposed radiance) and `guides` (1 10 h w),
output `denoised`; h and w are any multiples of the `stride` in the file's metadata, two of them at least.
Needs pip install 'mcdenoise[onnx]'.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this verb."""
    parser.add_argument("model", metavar="MODEL", help="name of a shipped model, or a file")
    parser.add_argument("--to", choices=("onnx",), default="onnx", help="format (onnx)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.onnx", help="what to write")


def run(arguments: argparse.Namespace) -> int:
    """Load, translate, write."""
    out: Path = arguments.output
    if out.suffix != ".onnx":
        raise UsageError(f"-o {out}: a name ending in .onnx is needed")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out.parent}: no such folder; make it first")
    if missing := [name for name in ("onnx", "onnxscript") if not find_spec(name)]:
        raise UsageError(f"export: needs {' and '.join(missing)}; pip install 'mcdenoise[onnx]'")

    from mcdenoise import checkpoint, onnx

    model = checkpoint.load_model(arguments.model)
    onnx.save(out, model.network, model.name, model.card)
    say(f"{out}: {model.name} as ONNX, opset {onnx.OPSET}")
    return 0
