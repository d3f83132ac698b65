"""Run by a Python that has bpy: renders a small animation with Cycles, camera and things moving.

    .tools/bpy-5.0/bin/python benchmarks/shot_blender.py -o shots/room [--frames 5] [--spp 8]

Writes noisy.####.exr, each with a seed of its own, and clean.####.exr of `--clean-spp` samples: multilayer
files with Denoising Data and the Vector pass. Goes on where it was stopped.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

sys.path.append(str(Path(__file__).parent.parent / "tests"))
import make_blend  # the room that tests render


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser("shot_blender.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--frames", type=int, default=5, metavar="N")
    parser.add_argument("--spp", type=int, default=8, metavar="N")
    parser.add_argument("--clean-spp", type=int, default=256, metavar="N")
    parser.add_argument("--size", default="128x96", metavar="WxH")
    arguments = parser.parse_args()
    make_blend.room()
    bpy.data.objects["Plane"].data.materials[0] = tiles()
    scene = bpy.context.scene
    animate(scene, arguments.frames)
    prepare(scene, *map(int, arguments.size.split("x")))
    for frame in range(1, arguments.frames + 1):
        for name, spp, seed in (("noisy", arguments.spp, frame), ("clean", arguments.clean_spp, -frame)):
            path = arguments.output / f"{name}.{frame:04}.exr"
            if not path.exists():
                scene.frame_set(frame)
                scene.cycles.samples, scene.cycles.seed = spp, 1000 + seed
                scene.render.filepath = str(path.absolute())
                bpy.ops.render.render(write_still=True)


def animate(scene: Any, frames: int) -> None:
    """The matt ball moves to the left, the camera to the right and up: some pixels a frame, each."""
    scene.frame_start, scene.frame_end = 1, frames
    for thing, step in ((bpy.data.objects["matt ball"], (-0.08, 0, 0)), (scene.camera, (0.04, 0, 0.03))):
        start = thing.location.copy()
        for frame in range(frames + 2):
            thing.location = start + frame * Vector(step)
            thing.keyframe_insert("location", frame=frame)


def prepare(scene: Any, width: int, height: int) -> None:
    """Cycles with guides and motion, scene-linear floats."""
    render, cycles, layer = scene.render, scene.cycles, scene.view_layers[0]
    render.resolution_x, render.resolution_y = width, height
    cycles.use_denoising = cycles.use_adaptive_sampling = False
    layer.cycles.denoising_store_passes = layer.use_pass_vector = True
    file = render.image_settings
    if hasattr(file, "media_type"):  # Blender 5 wants it first
        file.media_type = "MULTI_LAYER_IMAGE"
    file.file_format, file.color_depth, file.exr_codec = "OPEN_EXR_MULTILAYER", "32", "ZIP"


def tiles() -> Any:
    """Two greys in squares."""
    made = make_blend.material("tiles", (0.5, 0.5, 0.5))
    checker = made.node_tree.nodes.new("ShaderNodeTexChecker")
    checker.inputs["Scale"].default_value = 12
    checker.inputs["Color1"].default_value = (0.6, 0.55, 0.5, 1)
    checker.inputs["Color2"].default_value = (0.15, 0.2, 0.25, 1)
    shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    made.node_tree.links.new(checker.outputs["Color"], shader.inputs["Base Color"])
    return made


if __name__ == "__main__":
    main()
