# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn a model from the open file, by an external mcdenoise."""

import shutil
from pathlib import Path

import bpy

from . import operators, options
from .flow import Flow, Steps
from .worker.errors import WorkError

# Side of the pieces that are learned from, a multiple of 32.
MOST_CROP = 128
FILTERS = {"BOX": "box", "GAUSSIAN": "gaussian", "BLACKMAN_HARRIS": "blackman-harris"}


class LearnFromFile(Flow, bpy.types.Operator):
    """Render noisy pairs of this file and learn a model from them; goes on where it was stopped"""

    bl_idname = "mcdenoise.learn"
    bl_label = "Learn from This File"

    def steps(self, context: bpy.types.Context) -> Steps:
        """See `Flow`."""
        chosen = context.scene.mcdenoise
        name = bpy.path.clean_name(chosen.learn_name)
        program = operators.program()
        if not name or name in (options.SHIPPED, options.FAST):
            raise WorkError(f"{chosen.learn_name or 'no name'}: the new model needs another name")
        folder = options.models_folder() / f"{name}.work"
        folder.mkdir(exist_ok=True)
        copy, side = folder / "scene.blend", chosen.learn_side
        bpy.ops.wm.save_as_mainfile(filepath=str(copy), copy=True)
        request = {
            "do": "learn",
            "program": program,
            "folder": str(folder),
            "scene": str(copy),
            "model": str(folder / f"{name}.onnx"),
            "blender": bpy.app.binary_path or _python(),
            "more": ["--crop", str(min(MOST_CROP, side // 32 * 32))],
            "views": chosen.learn_pairs,
            "spp": chosen.learn_samples,
            "steps": chosen.learn_steps,
            "size": f"{side}x{side}",
            "filter": FILTERS[context.scene.cycles.pixel_filter_type],
        }
        learned = {}
        for event in self.ask(context, request):
            learned = event
            yield event["event"]
        for made in (learned["weights"], learned["model"]):  # the list shows the .onnx, so it comes last
            shutil.copyfile(made, options.models_folder() / Path(made).name)
        context.scene.mcdenoise.model = name
        self.finish(context, f"learned {name}; it is in the list of models")


def _python() -> str:
    """Where Blender is a module of Python."""
    import sys

    return sys.executable


register, unregister = bpy.utils.register_classes_factory((LearnFromFile,))
