# SPDX-License-Identifier: GPL-3.0-or-later
"""Where it is found: the Denoise tab beside a render, under Cycles' sampling, in two menus."""

import bpy

from . import options
from .learn import LearnFromFile
from .operators import DenoiseRender, RenderHalves, StoreGuides
from .sequence import DenoiseSequence, GiveOutputBack, SetUpOutput


class _Panel:
    """What both places show first."""

    bl_label = "Denoise"

    def draw(self, context: bpy.types.Context) -> None:
        """The button and what may be chosen."""
        layout, chosen = self.layout, context.scene.mcdenoise
        layout.use_property_split, layout.use_property_decorate = True, False
        _progress(layout, context)
        layout.operator(DenoiseRender.bl_idname, icon="SHADERFX")
        layout.operator(RenderHalves.bl_idname)
        _guides(layout, context)
        for name in ("model", "quality", "strength", "guides", "keep_noisy", "show_as", "after_render"):
            layout.prop(chosen, name)


class ImagePanel(_Panel, bpy.types.Panel):
    """In the Image Editor's sidebar."""

    bl_idname = "MCDENOISE_PT_image"
    bl_space_type, bl_region_type, bl_category = "IMAGE_EDITOR", "UI", "Denoise"


class RenderPanel(_Panel, bpy.types.Panel):
    """Under Cycles' sampling panel."""

    bl_idname = "MCDENOISE_PT_render"
    bl_label = "mcdenoise"
    bl_space_type, bl_region_type, bl_context = "PROPERTIES", "WINDOW", "render"
    bl_parent_id = "CYCLES_RENDER_PT_sampling_render"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - as Blender wants it


class SequencePanel(bpy.types.Panel):
    """Below the button."""

    bl_idname, bl_label = "MCDENOISE_PT_sequence", "Sequence"
    bl_space_type, bl_region_type, bl_category = "IMAGE_EDITOR", "UI", "Denoise"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - as Blender wants it

    def draw(self, _context: bpy.types.Context) -> None:
        """In the order of use."""
        self.layout.operator(SetUpOutput.bl_idname)
        self.layout.operator("render.render", text="Render Animation").animation = True
        self.layout.operator(DenoiseSequence.bl_idname)
        self.layout.operator(GiveOutputBack.bl_idname)


class LearnPanel(bpy.types.Panel):
    """Below the sequence."""

    bl_idname, bl_label = "MCDENOISE_PT_learn", "Learn"
    bl_space_type, bl_region_type, bl_category = "IMAGE_EDITOR", "UI", "Denoise"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - as Blender wants it

    def draw(self, context: bpy.types.Context) -> None:
        """Or why it can't be done."""
        layout = self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        if not options.preferences().program:
            layout.label(text="Set mcdenoise's path in the preferences", icon="INFO")
        for name in ("learn_name", "learn_pairs", "learn_samples", "learn_side", "learn_steps"):
            layout.prop(context.scene.mcdenoise, name)
        layout.operator(LearnFromFile.bl_idname)


def _progress(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    status = context.window_manager.mcdenoise
    if status.is_running:
        layout.progress(factor=status.share, text=f"{status.text} (Esc to cancel)")
    elif status.text:
        layout.label(text=status.text)


def _guides(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Whether the next render will have them."""
    if context.scene.render.engine != "CYCLES":
        layout.label(text="Without guides: only Cycles stores them", icon="INFO")
    elif not all(layer.cycles.denoising_store_passes for layer in context.scene.view_layers):
        layout.label(text="Guides aren't stored: edges may blur", icon="INFO")
        layout.operator(StoreGuides.bl_idname)


def _menu(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.separator()
    self.layout.operator(DenoiseRender.bl_idname)


_CLASSES = (ImagePanel, SequencePanel, LearnPanel)
_MENUS = ("IMAGE_MT_image", "TOPBAR_MT_render")


def register() -> None:
    """See the package's. Without Cycles its panel has no place."""
    for each in _classes():
        bpy.utils.register_class(each)
    for menu in _MENUS:
        getattr(bpy.types, menu).append(_menu)


def unregister() -> None:
    """See the package's."""
    for menu in _MENUS:
        getattr(bpy.types, menu).remove(_menu)
    for each in reversed(_CLASSES + (RenderPanel,) * RenderPanel.is_registered):
        bpy.utils.unregister_class(each)


def _classes() -> tuple[type, ...]:
    return _CLASSES + (RenderPanel,) * hasattr(bpy.types, RenderPanel.bl_parent_id)
