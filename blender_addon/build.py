# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the extension's zip and lets Blender's own validator look at it: `python -m blender_addon.build`.

Blender's tool is `MCDENOISE_BLENDER`: a Blender, or a Python that has bpy. With `--wheels FOLDER` the zips
are the full flavour, one for each platform that FOLDER has wheels of onnxruntime for.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# What Blender doesn't need.
LEFT_OUT = ("build.py", "__pycache__", "README.md")
TOOL = "import bpy, pathlib; root = pathlib.Path(bpy.utils.system_resource('SCRIPTS')); print(root)"
CURE = "set MCDENOISE_BLENDER to blender, or to a Python with `pip install bpy==5.0.*`"


def main() -> None:
    """Write the zips into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, nargs=2, required=True, metavar=("STANDARD", "FAST"),
                        help="standard.onnx and fast.onnx, of `mcdenoise export`")  # fmt: skip
    parser.add_argument("--wheels", type=Path, help="folder of onnxruntime wheels for the full flavour")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the zips")
    arguments = parser.parse_args()
    tool = _tool()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "mcdenoise"
        _gather(source, arguments.models, arguments.wheels)
        split = ["--split-platforms"] if arguments.wheels else []
        _run([*tool, "build", "--source-dir", str(source), "--output-dir", str(arguments.output), *split])
    for made in sorted(arguments.output.glob("*.zip")):
        _run([*tool, "validate", *_tags(tool), str(made)])
        print(f"{made}: {made.stat().st_size / 1e6:.1f} MB, valid")  # noqa: T201 - what a build is for


def _gather(source: Path, models: list[Path], wheels: Path | None) -> None:
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns(*LEFT_OUT, "models"))
    (source / "models").mkdir()
    for model, name in zip(models, ("standard", "fast"), strict=True):
        shutil.copyfile(model, source / "models" / f"{name}.onnx")
    if wheels:
        names = sorted(wheel.name for wheel in wheels.glob("*.whl"))
        shutil.copytree(wheels, source / "wheels")
        listed = ", ".join(f'"./wheels/{name}"' for name in names)
        platforms = ", ".join(f'"{platform}"' for platform in sorted({_platform(name) for name in names}))
        manifest = source / "blender_manifest.toml"
        text = manifest.read_text(encoding="utf-8")
        extra = f"wheels = [{listed}]\nplatforms = [{platforms}]\n\n[permissions]"
        manifest.write_text(text.replace("[permissions]", extra), encoding="utf-8")


def _platform(wheel: str) -> str:
    """Blender's name for a wheel's."""
    tag = wheel.removesuffix(".whl").rsplit("-", 1)[-1]
    system = next(
        name for key, name in (("linux", "linux"), ("macosx", "macos"), ("win", "windows")) if key in tag
    )
    return f"{system}-{'arm64' if 'arm64' in tag or 'aarch64' in tag else 'x64'}"


def _tool() -> list[str]:
    """How to call Blender's extension tool."""
    program = os.environ.get("MCDENOISE_BLENDER") or shutil.which("blender")
    if not program:
        sys.exit(f"Blender: not found; {CURE}")
    if "python" not in Path(program).name:
        return [program, "--factory-startup", "--command", "extension"]
    try:
        told = subprocess.run([program, "-c", TOOL], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        sys.exit(f"{program}: has no bpy; {CURE}")
    scripts = Path(told.stdout.strip().splitlines()[-1])
    return [sys.executable, str(scripts / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py")]


def _tags(tool: list[str]) -> list[str]:
    """Checked only where the list is given; `blender --command` knows it by itself."""
    if not tool[-1].endswith(".py"):
        return []
    found = next(Path(tool[-1]).parents[3].rglob("extensions/tags.py"))
    return ["--valid-tags", str(found)]


def _run(words: list[str]) -> None:
    told = subprocess.run(words, capture_output=True, text=True)
    if told.returncode:
        sys.exit(f"{' '.join(words)}: {told.stdout}{told.stderr}")


if __name__ == "__main__":
    main()
