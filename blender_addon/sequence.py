# SPDX-License-Identifier: GPL-3.0-or-later
"""Denoise the rendered files of the scene's frame range; set up the output for it, and give that back."""

import json
from pathlib import Path

import bpy

from . import operators, passes
from .flow import Flow, Steps
from .worker.errors import WorkError

FOLDER = "denoised"
# Of the output, kept in the file until it is given back.
_OUTPUT = ("file_format", "color_mode", "color_depth", "exr_codec")


class SetUpOutput(bpy.types.Operator):
    """Let Blender write multilayer EXR files with the denoising passes; Give Output Back undoes it"""

    bl_idname = "mcdenoise.set_up_output"
    bl_label = "Set Up Output"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - as Blender wants it

    def execute(self, context: bpy.types.Context) -> set[str]:
        """What was set is kept in the scene."""
        scene = context.scene
        image = scene.render.image_settings
        if not scene.mcdenoise.saved_output:
            names = [name for name in ("media_type", *_OUTPUT) if hasattr(image, name)]
            stored = {layer.name: layer.cycles.denoising_store_passes for layer in _of_cycles(scene)}
            scene.mcdenoise.saved_output = json.dumps(
                {
                    "image": {name: getattr(image, name) for name in names},
                    "space": image.linear_colorspace_settings.name,
                    "stored": stored,
                }
            )
        passes.choose_multilayer(image)
        image.color_depth, image.exr_codec = "32", "ZIP"
        for layer in _of_cycles(scene):
            layer.cycles.denoising_store_passes = True
        return {"FINISHED"}


class GiveOutputBack(bpy.types.Operator):
    """Output and passes as they were before Set Up Output"""

    bl_idname = "mcdenoise.give_output_back"
    bl_label = "Give Output Back"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - as Blender wants it

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only what was changed."""
        return bool(context.scene.mcdenoise.saved_output)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """View layers that are gone are left alone."""
        scene = context.scene
        saved = json.loads(scene.mcdenoise.saved_output)
        for name, value in saved["image"].items():
            setattr(scene.render.image_settings, name, value)
        if saved.get("space"):
            scene.render.image_settings.linear_colorspace_settings.name = saved["space"]
        for name, stored in saved["stored"].items():
            if name in scene.view_layers:
                scene.view_layers[name].cycles.denoising_store_passes = stored
        scene.mcdenoise.saved_output = ""
        return {"FINISHED"}


class DenoiseSequence(Flow, bpy.types.Operator):
    """Denoise the rendered files of the frame range into the folder denoised beside them, but what exists"""

    bl_idname = "mcdenoise.denoise_sequence"
    bl_label = "Denoise Sequence"

    def steps(self, context: bpy.types.Context) -> Steps:
        """See `Flow`."""
        scene = context.scene
        numbers = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
        sources = [file for number in numbers for file in _files(scene, number)]
        if sources[0].suffix.lower() != ".exr":
            raise WorkError(f"{sources[0]}: no EXR files; press Set Up Output and render the animation")
        folder = sources[0].parent / FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkError(f"{folder}: can't be made: {error.strerror}; choose another output") from error
        frames = [{"source": str(source), "target": str(folder / source.name)} for source in sources]
        failures, counts = [], {}
        for event in self.ask(context, {**operators.request(scene, frames), "skip_existing": True}):
            if event["event"] == "failed":
                failures.append(event["error"])
                print(f"mcdenoise: {event['error']}")  # noqa: T201 - where a farm's log looks
            counts = event
            yield event["event"]
        text = ", ".join(f"{counts[what]} {what}" for what in ("written", "skipped", "failed"))
        if failures:
            raise WorkError(f"{text}, in {folder}; {failures[0]}")
        self.finish(context, f"{text}, in {folder}")


def _of_cycles(scene: bpy.types.Scene) -> list[bpy.types.ViewLayer]:
    """View layers that can store guides: all, unless Cycles is switched off."""
    return [layer for layer in scene.view_layers if hasattr(layer, "cycles")]


def _files(scene: bpy.types.Scene, frame: int) -> list[Path]:
    """What Blender writes for a frame: one file, or one for each eye."""
    render = scene.render
    are_apart = render.use_multiview and render.image_settings.views_format == "INDIVIDUAL"
    path = Path(bpy.path.abspath(render.frame_path(frame=frame)))
    return (
        [path.with_stem(path.stem + suffix) for suffix in passes.views(scene).values()]
        if are_apart
        else [path]
    )


register, unregister = bpy.utils.register_classes_factory((SetUpOutput, GiveOutputBack, DenoiseSequence))
