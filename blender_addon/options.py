# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be chosen: of a scene, kept in its file; of the user, in the preferences; and what is at work."""

from pathlib import Path
from typing import Any

import bpy

HERE = Path(__file__).parent
SHIPPED, FAST = "standard", "fast"
# Blender keeps no copy of a list's texts, so we do.
_listed: list[tuple[str, str, str]] = []


def models_folder() -> Path:
    """Where learned models are kept, apart from the extension's own files, which an update replaces."""
    return Path(bpy.utils.extension_path_user(__package__, path="models", create=True))


def model_path(name: str) -> Path:
    """The ONNX file of a model."""
    return (HERE / "models" if name in (SHIPPED, FAST) else models_folder()) / f"{name}.onnx"


def _models(_self: Any, _context: Any) -> list[tuple[str, str, str]]:
    learned = sorted({path.stem for path in models_folder().glob("*.onnx")} - {SHIPPED, FAST})
    _listed[:] = [(SHIPPED, "Standard", "The model that comes with the extension")]
    _listed.extend((name, name, f"Learned here: {models_folder() / name}.onnx") for name in learned)
    return _listed


class McdenoiseOptions(bpy.types.PropertyGroup):
    """Of a scene."""

    model: bpy.props.EnumProperty(name="Model", description="What was learned from", items=_models)
    quality: bpy.props.EnumProperty(
        name="Quality",
        default="STANDARD",
        # Files keep the numbers.
        items=[
            ("FAST", "Fast", "A smaller model that comes along too; there is none of learned models", 2),
            ("STANDARD", "Standard", "Denoise once", 0),
            (
                "HIGH",
                "High",
                "Denoise the picture and its mirror image, and take the mean: twice the time",
                1,
            ),
        ],
    )
    strength: bpy.props.FloatProperty(
        name="Strength", description="How much of the noise goes", min=0, max=1, default=1, subtype="FACTOR"
    )
    guides: bpy.props.BoolProperty(
        name="Use Guides", description="Let albedo, normal and depth tell edges from noise", default=True
    )
    keep_noisy: bpy.props.BoolProperty(
        name="Keep Noisy Layer", description="Keep the noisy picture as the pass Noisy Image", default=True
    )
    after_render: bpy.props.BoolProperty(
        name="After Each Render", description="Denoise every still as soon as it is rendered", default=False
    )
    show_as: bpy.props.EnumProperty(
        name="Result",
        items=[
            ("SLOT", "Render Slot", "Into the next render slot: J toggles before and after"),
            ("IMAGE", "Image", "Into an image of its own"),
        ],
    )
    learn_name: bpy.props.StringProperty(name="Name", description="Of the new model", default="learned")
    learn_pairs: bpy.props.IntProperty(
        name="Pairs",
        description="Views that are rendered twice: cameras, frames, then places nearby",
        min=2,
        default=40,
    )
    learn_samples: bpy.props.IntProperty(
        name="Samples", description="Of each of the two renders", min=1, default=8
    )
    learn_steps: bpy.props.IntProperty(name="Steps", description="Of training", min=8, default=20_000)
    learn_side: bpy.props.IntProperty(
        name="Size", description="Side of the square renders, in pixels", min=32, default=256
    )
    saved_output: bpy.props.StringProperty(options={"HIDDEN"})


class McdenoiseStatus(bpy.types.PropertyGroup):
    """Of the moment."""

    is_running: bpy.props.BoolProperty(options={"SKIP_SAVE"})
    share: bpy.props.FloatProperty(options={"SKIP_SAVE"})
    text: bpy.props.StringProperty(options={"SKIP_SAVE"})


class McdenoisePreferences(bpy.types.AddonPreferences):
    """Of the user."""

    bl_idname = __package__

    engine: bpy.props.EnumProperty(
        name="Engine",
        items=[
            ("auto", "Automatic", "onnxruntime if it is there, else numpy"),
            ("onnxruntime", "onnxruntime", "Fast; comes with the full flavour of this extension"),
            ("numpy", "numpy", "Runs anywhere, slower"),
            ("external", "External mcdenoise", "torch, on a GPU if there is one; needed to learn"),
        ],
    )
    program: bpy.props.StringProperty(
        name="mcdenoise",
        description="Path of mcdenoise, as pip installed it",
        subtype="FILE_PATH",
    )

    def draw(self, _context: bpy.types.Context) -> None:
        """In the preferences."""
        self.layout.prop(self, "engine")
        self.layout.prop(self, "program")


def preferences() -> McdenoisePreferences:
    """Of this extension."""
    return bpy.context.preferences.addons[__package__].preferences


_add, _remove = bpy.utils.register_classes_factory((McdenoiseOptions, McdenoiseStatus, McdenoisePreferences))


def register() -> None:
    """See the package's."""
    _add()
    bpy.types.Scene.mcdenoise = bpy.props.PointerProperty(type=McdenoiseOptions)
    bpy.types.WindowManager.mcdenoise = bpy.props.PointerProperty(type=McdenoiseStatus)


def unregister() -> None:
    """See the package's."""
    del bpy.types.WindowManager.mcdenoise
    del bpy.types.Scene.mcdenoise
    _remove()
