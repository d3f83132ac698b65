"""Run by a Python that has bpy: `render_with_handler.py SHOT.blend HANDLER.py FOLDER/` renders two small
frames as `blender -b SHOT.blend --python HANDLER.py -a` does, to FOLDER/shot.####.exr."""

import runpy
import sys

import bpy

shot, handler, folder = sys.argv[-3:]
bpy.ops.wm.open_mainfile(filepath=shot)
scene = bpy.context.scene
scene.frame_start, scene.frame_end = 1, 2
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 32, 24, 100
scene.cycles.samples, scene.cycles.use_denoising = 2, False
bpy.context.view_layer.cycles.denoising_store_passes = True
if hasattr(scene.render.image_settings, "media_type"):  # Blender 5 wants it first
    scene.render.image_settings.media_type = "MULTI_LAYER_IMAGE"
scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
scene.render.filepath = f"{folder}/shot."
runpy.run_path(handler)
bpy.ops.render.render(animation=True)
