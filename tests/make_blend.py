"""Run by a Python that has bpy: writes small .blend files to render in tests.

`make_blend.py FOLDER` makes room.blend (still, two cameras), busy.blend (the same, with settings that would
spoil a pair), moving.blend (a ball that crosses the room), and blind.blend (no camera).
"""

import math
import sys
from typing import Any

import bpy


def room() -> None:
    """Floor and walls, a lamp, a mirror ball, a matt ball, a few boxes; the camera in the doorway."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    walls = material("walls", (0.7, 0.7, 0.65))
    for place, turn in [((0, 0, 0), (0, 0, 0)), ((0, 3, 1.5), (90, 0, 0)), ((-3, 0, 1.5), (0, 90, 0)),
                        ((3, 0, 1.5), (0, 90, 0)), ((0, 0, 3), (0, 0, 0))]:  # fmt: skip
        bpy.ops.mesh.primitive_plane_add(size=6, location=place, rotation=[math.radians(t) for t in turn])
        bpy.context.object.data.materials.append(walls)
    for number in range(8):
        place = (-2.4 + 0.7 * number, 1.5 * math.sin(2.3 * number), 0.25 + 0.2 * (number % 3))
        bpy.ops.mesh.primitive_cube_add(size=0.5, location=place, rotation=(0, 0, number))
        bpy.context.object.data.materials.append(
            material(f"box{number}", (0.1 * number, 0.4, 0.8 - 0.1 * number))
        )
    ball((-0.8, 0, 1), material("mirror", (0.9, 0.9, 0.9), metallic=1.0, roughness=0.0), "mirror ball")
    ball((0.9, -0.5, 0.6), material("red", (0.8, 0.1, 0.05)), "matt ball")
    lamp = bpy.data.lights.new("lamp", "AREA")
    lamp.energy, lamp.size = 120, 0.6
    add("lamp", lamp, (0.5, -1, 2.8), (0, 0, 0))
    scene.camera = add("own", bpy.data.cameras.new("own"), (0.3, -2.8, 1.5), (85, 0, 5))
    add("second", bpy.data.cameras.new("second"), (2.5, -2.5, 2.2), (65, 0, 42))


def ball(place: tuple[float, float, float], made_of: Any, name: str) -> None:
    """A smooth one."""
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.55, location=place)
    bpy.ops.object.shade_smooth()
    bpy.context.object.name = name
    bpy.context.object.data.materials.append(made_of)


def material(name: str, color: tuple[float, float, float], **inputs: float) -> Any:
    """A principled one."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*color, 1)
    for key, value in inputs.items():
        shader.inputs[key.title()].default_value = value
    return made


def add(name: str, what: Any, place: tuple[float, float, float], turn: tuple[float, float, float]) -> Any:
    """A lamp or a camera, turned by degrees."""
    thing = bpy.data.objects.new(name, what)
    thing.location, thing.rotation_euler = place, [math.radians(t) for t in turn]
    bpy.context.scene.collection.objects.link(thing)
    return thing


def spoil() -> None:
    """What a user may have set for his own frames, and a pair must not have."""
    scene, render, cycles = bpy.context.scene, bpy.context.scene.render, bpy.context.scene.cycles
    render.use_border = render.use_crop_to_border = render.use_multiview = render.use_freestyle = True
    render.border_max_x, render.resolution_percentage, render.use_stamp = 0.5, 50, True
    render.image_settings.file_format, render.image_settings.color_depth = "PNG", "16"
    cycles.use_denoising = cycles.use_adaptive_sampling = cycles.use_animated_seed = True
    cycles.adaptive_threshold, cycles.adaptive_min_samples = 0.9, 1
    cycles.time_limit, cycles.filter_width = 0.01, 3
    scene.view_layers[0].samples = 1
    scene.view_layers[0].use_pass_combined = False
    scene.view_layers.new("another")
    scene.timeline_markers.new("cut", frame=1).camera = bpy.data.objects["second"]
    scene.timeline_markers.new("back", frame=3).camera = bpy.data.objects["own"]
    scene.frame_set(5)
    scene.render.engine = "BLENDER_WORKBENCH"


def move_ball() -> None:
    """Over five frames, of which the last two are alike."""
    scene, moved = bpy.context.scene, bpy.data.objects["matt ball"]
    scene.frame_start, scene.frame_end = 1, 5
    for frame, x in ((1, 0.9), (4, -0.9)):
        moved.location.x = x
        moved.keyframe_insert("location", frame=frame)
    scene.frame_set(1)


def main(folder: str) -> None:
    """All of them."""
    room()
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/room.blend")
    spoil()
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/busy.blend")
    room()
    move_ball()
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/moving.blend")
    bpy.context.scene.camera = None
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/blind.blend")


if __name__ == "__main__":
    main(sys.argv[-1])
