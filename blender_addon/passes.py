# SPDX-License-Identifier: GPL-3.0-or-later
"""The render result's passes, out into a file and back into a render slot; settings stay as they are."""

import contextlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .worker import exr_file
from .worker.errors import WorkError

RESULT = "Render Result"
# What Blender says where nothing was rendered.
NOTHING = "does not have any image data"
# Reading order of channels, whatever a file's.
LETTERS = "RGBAXYZWUVrgba"
# Set in this order, since each limits what the next can be.
_FORMAT = ("media_type", "file_format", "color_mode", "color_depth")

# Attributes of one part among several.
OF_PARTS = ("name", "view", "type", "chunkCount")

# While a render is ours: of a half, or of no more than a file.
loading = False


@contextlib.contextmanager
def kept(*owners: Any) -> Iterator[None]:
    """Gives back every setting of these, whatever happens in between."""
    before = [(owner, {name: getattr(owner, name) for name in _settings(owner)}) for owner in owners]
    try:
        yield
    finally:
        for owner, values in before:
            for name in sorted(
                values, key=lambda n: (n not in _FORMAT, _FORMAT.index(n) if n in _FORMAT else 0)
            ):
                if getattr(owner, name) != values[name]:
                    with contextlib.suppress(TypeError):  # a choice that never was made
                        setattr(owner, name, values[name])


def _settings(owner: Any) -> list[str]:
    kinds = ("BOOLEAN", "INT", "FLOAT", "STRING", "ENUM")
    own = [p for p in owner.bl_rna.properties if p.type in kinds and not p.is_readonly]
    return [p.identifier for p in own if not getattr(p, "is_array", False)]


def save(scene: bpy.types.Scene, path: Path) -> dict[str, Path]:
    """All passes of the render in the active slot: a file for each stereo view, else one, of the view "".

    Raises:
        WorkError: nothing was rendered, or it can't be written.
    """
    result, problem = bpy.data.images.get(RESULT), NOTHING
    settings = scene.render.image_settings
    with kept(settings, settings.linear_colorspace_settings):
        choose_multilayer(settings)
        settings.color_depth, settings.exr_codec = "32", "ZIP"
        settings.color_management = "FOLLOW_SCENE"
        try:
            if result:
                result.save_render(str(path), scene=scene)
        except RuntimeError as error:  # also where it has saved a file for each view
            problem = str(error).strip()
    saved = {name: path.with_stem(path.stem + suffix) for name, suffix in views(scene).items()}
    if all(file.is_file() for file in saved.values()):
        return saved
    if NOTHING in problem:
        raise WorkError("There is no render to denoise; press F12 first")
    raise WorkError(f"{path}: Blender can't write the render: {problem}; free some space there")


def views(scene: bpy.types.Scene) -> dict[str, str]:
    """The views that are rendered, and what Blender puts behind a file's name for each."""
    if not scene.render.use_multiview:
        return {"": ""}
    return {view.name: view.file_suffix for view in scene.render.views if view.use}


def choose_multilayer(settings: bpy.types.ImageFormatSettings) -> None:
    """Blender 5 wants to know first that it isn't a plain image."""
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"


def into_slot(scene: bpy.types.Scene, files: Mapping[str, Path]) -> None:
    """Files by view into the next render slot, which becomes the active one: J goes back and forth.

    Raises:
        WorkError: Blender can't load them.
    """
    global loading
    path = _joined(files) if len(files) > 1 else next(iter(files.values()))
    parts = exr_file.read(path)
    result, (height, width) = bpy.data.images.get(RESULT), parts[0].size
    _Loader.path, _Loader.passes, _Loader.failed = str(path), _passes(parts, files), ""
    if result:  # else it was undone, and is made anew
        before = result.render_slots.active_index
        if len(result.render_slots) < 2:
            result.render_slots.new()
    bpy.utils.register_class(_Loader)
    loading = True
    try:
        with kept(scene.render):
            scene.render.engine, scene.render.use_border = _Loader.bl_idname, False
            # The file's own size, which isn't the scene's if that was changed, or is cropped to a border.
            scene.render.resolution_x, scene.render.resolution_y = width, height
            scene.render.resolution_percentage = 100
            if result:
                result.render_slots.active_index = (before + 1) % len(result.render_slots)
            bpy.ops.render.render(scene=scene.name)
    finally:
        loading = False
        bpy.utils.unregister_class(_Loader)
    if _Loader.failed:
        if result:
            result.render_slots.active_index = before
        raise WorkError(_Loader.failed)


def _joined(files: Mapping[str, Path]) -> Path:
    """One file of all views, named as Blender names them: `Layer.Combined.left.R`."""
    channels: dict[str, np.ndarray] = {}
    for view, path in files.items():
        parts = exr_file.read(path)
        for channel, pixels in ((c, p) for part in parts for c, p in part.channels.items()):
            group, _, letter = channel.rpartition(".")
            channels[f"{group}.{view}.{letter}"] = pixels
    attributes = {name: value for name, value in parts[0].attributes.items() if name not in OF_PARTS}
    if "multiView" in attributes:  # of Blender 4; 5 wants none in a file of one part
        names = b"".join(struct.pack("<i", len(view.encode())) + view.encode() for view in files)
        attributes["multiView"] = "stringvector", names
    joined = path.with_stem("joined")
    exr_file.write(joined, [exr_file.Part(attributes, channels)])
    return joined


def into_image(path: Path, name: str) -> bpy.types.Image:
    """Into an image of its own, packed, seen as a render is."""
    image = bpy.data.images.load(str(path))
    image.name, image.use_view_as_render = name, True
    image.pack()
    return image


def _passes(parts: list[exr_file.Part], views: Iterable[str]) -> dict[str, dict[str, str]]:
    """Of each layer, the letters of each pass."""
    found: dict[str, dict[str, str]] = {}
    for channel in (channel for part in parts for channel in part.channels):
        group, _, letter = channel.rpartition(".")
        for view in filter(None, views):
            group = group.removesuffix(f".{view}")
        layer, _, name = group.rpartition(".")
        if name:
            of_layer = found.setdefault(layer, {})
            of_layer[name] = "".join(sorted({*of_layer.get(name, ""), letter}, key=LETTERS.find))
    return found


class _Loader(bpy.types.RenderEngine):
    """Renders nothing: reads a file into the result. There only while it does."""

    bl_idname = "MCDENOISE_LOADER"
    bl_label = "mcdenoise result"
    bl_use_preview = False
    path, failed = "", ""
    passes: dict[str, dict[str, str]] = {}  # noqa: RUF012 - Blender makes the instances

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Called for each view layer."""
        layer = depsgraph.view_layer.name
        found = self.passes.get(layer, self.passes.get("", {}))
        if "Combined" not in found:
            type(self).failed = f"the render has no layer {layer}"
        for name, letters in found.items():
            if name != "Combined":
                self.add_pass(name, len(letters), letters, layer=layer)
        views = (
            [view.name for view in depsgraph.scene.render.views if view.use]
            if depsgraph.scene.render.use_multiview
            else [""]
        )
        for view in views:
            size = depsgraph.scene.render.resolution_x, depsgraph.scene.render.resolution_y
            result = self.begin_result(0, 0, *size, layer=layer, view=view)
            try:
                result.load_from_file(self.path)
            except RuntimeError as error:
                type(self).failed = str(error)
            self.end_result(result)
