"""Run by a Python that has bpy: two sets that no model of ours has seen, from files of the MORSE simulator.

    apt-get download morse-simulator-data && dpkg -x morse-simulator-data_*.deb morse
    PYTHON_WITH_BPY benchmarks/show_scenes.py morse/usr/share/morse/data/environments scenes/

`kitchen.blend`: TUM's kitchen at noon under a new ceiling, for Cycles. `apartment/apartment-01.xml` and on:
LAAS's apartment at night, under a ceiling too, lit by its own paper lamps, for Mitsuba. In both a camera goes
through in 16 frames.

Source: https://packages.debian.org/bookworm/morse-simulator-data, BSD-3-Clause, LAAS-CNRS and others.
"""

import math
import sys
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

# What a material's name says of it -> metallic, roughness.
FINISHES = {"Handles": (1, 0.3), "tap": (1, 0.1), "sink": (1, 0.25), "Chrome": (1, 0.1), "Metal": (1, 0.3),
            "Glass": (0, 0.02), "Screen": (0, 0.05), "Wood": (0, 0.25), "wood": (0, 0.25),
            "Front": (0, 0.2), "Plate": (0, 0.1), "glossy": (0, 0.1), "Top": (0, 0.3)}  # fmt: skip
LAMPS = ("RiceLampMat", "WhiteRiceLampMat")

Point = tuple[float, float, float]
# Where a camera stands and looks, at equal times.
Walk = tuple[tuple[Point, Point], ...]
STOVE: Walk = (((2.6, -0.6, 1.6), (0.6, 1.6, 0.8)), ((2.7, 2.0, 1.5), (0.5, 2.6, 0.9)),
               ((2.0, 5.0, 1.7), (0.8, 2.0, 0.8)), ((5.5, 5.5, 1.7), (2.0, 1.0, 0.8)))  # fmt: skip
SOFA: Walk = (((-2.2, 1.4, 1.6), (-5.0, -1.3, 0.6)), ((-2.4, 0.2, 1.3), (-5.2, -0.8, 0.6)),
              ((-2.9, 1.2, 1.5), (-1.4, 5.0, 0.7)), ((-0.5, 2.6, 1.6), (-1.0, 5.6, 0.8)))  # fmt: skip
FRAMES = 16


def kitchen(environments: Path, out: Path) -> None:
    """The .blend for Cycles."""
    bpy.ops.wm.open_mainfile(filepath=str(environments / "tum_kitchen" / "tum_kitchen.blend"))
    scene = bpy.context.scene
    clear("Compass", "Poster")
    for made in bpy.data.materials:
        shade(made)
    slab((4.1, 2.85, 2.75), (8.4, 12.4))
    sun = bpy.data.lights.new("noon", "SUN")
    sun.energy, sun.angle = 6.0, math.radians(0.5)
    scene.collection.objects.link(bpy.data.objects.new("noon", sun))
    bpy.data.objects["noon"].rotation_euler = (math.radians(50), 0, math.radians(-20))
    tube = bpy.data.lights.new("tube", "AREA")
    tube.energy, tube.shape, tube.size, tube.size_y = 40.0, "RECTANGLE", 1.5, 0.2
    scene.collection.objects.link(bpy.data.objects.new("tube", tube))
    bpy.data.objects["tube"].location = (2.0, 1.2, 2.7)
    camera = bpy.data.objects.new("walk", bpy.data.cameras.new("walk"))
    camera.data.lens, camera.rotation_mode = 24, "QUATERNION"
    scene.collection.objects.link(camera)
    scene.camera, scene.frame_start, scene.frame_end = camera, 1, FRAMES
    for number in range(FRAMES):
        place, target = along(STOVE, number / (FRAMES - 1))
        camera.location = place
        camera.rotation_quaternion = (target - place).to_track_quat("-Z", "Y")
        for path in ("location", "rotation_quaternion"):
            camera.keyframe_insert(path, frame=1 + number)
    scene.frame_set(1)
    scene.render.engine = "CYCLES"
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "kitchen.blend"))


def apartment(environments: Path, out: Path) -> None:
    """The scene for Mitsuba: a mesh of each material, and the XML that names them."""
    bpy.ops.wm.open_mainfile(filepath=str(environments / "apartment.blend"))
    clear("IKEAShelf_bb")
    slab((-2.1, 1.95, 2.55), (7.4, 8.6))
    meshes = [thing for thing in bpy.context.scene.objects if thing.type == "MESH"]
    folder = out / "apartment"
    folder.mkdir(parents=True, exist_ok=True)
    bpy.ops.object.select_all(action="DESELECT")
    for thing in meshes:
        thing.hide_set(False)
        thing.select_set(True)
    bpy.context.view_layer.objects.active = meshes[0]
    bpy.ops.object.make_single_user(object=True, obdata=True)
    bpy.ops.object.convert(target="MESH")
    bpy.ops.object.join()
    bpy.ops.mesh.separate(type="MATERIAL")
    shapes = []
    for number, thing in enumerate(bpy.context.selected_objects):
        bpy.ops.object.select_all(action="DESELECT")
        thing.select_set(True)
        name = f"{number:02d}.ply"
        bpy.ops.wm.ply_export(filepath=str(folder / name), export_selected_objects=True, forward_axis="Y",
                              up_axis="Z", export_triangulated_mesh=True, export_colors="NONE")  # fmt: skip
        shapes.append(shape(name, thing.material_slots[0].material if thing.material_slots else None))
    for number in range(FRAMES):
        place, target = along(SOFA, number / (FRAMES - 1))
        words = {"origin": place, "target": target}
        camera = {name: ",".join(f"{part:.4f}" for part in point) for name, point in words.items()}
        xml = XML.format(shapes="\n".join(shapes), **camera)
        (folder / f"apartment-{number + 1:02d}.xml").write_text(xml, encoding="utf-8")


XML = """<scene version="3.0.0">
<integrator type="path"><integer name="max_depth" value="12"/></integrator>
<sensor type="perspective"><float name="fov" value="70"/>
<transform name="to_world"><lookat origin="{origin}" target="{target}" up="0,0,1"/></transform>
<film type="hdrfilm"><integer name="width" value="192"/><integer name="height" value="144"/></film></sensor>
<emitter type="constant"><rgb name="radiance" value="0.01,0.015,0.03"/></emitter>
{shapes}
</scene>
"""


def shape(name: str, made: Any) -> str:
    """A mesh with its material, or as a lamp."""
    color = ",".join(f"{part:.3f}" for part in (made.diffuse_color if made else (0.6, 0.6, 0.6))[:3])
    inside = f'<bsdf type="twosided">{bsdf(made.name if made else "", color)}</bsdf>'
    if made and made.name in LAMPS:
        inside += '<emitter type="area"><rgb name="radiance" value="18,12,6"/></emitter>'
    return f'<shape type="ply"><string name="filename" value="{name}"/>{inside}</shape>'


def bsdf(name: str, color: str) -> str:
    """Of Mitsuba, by the material's name."""
    metallic, roughness = finish(name)
    alpha = f'<float name="alpha" value="{roughness}"/>'
    if metallic:
        return f'<bsdf type="roughconductor">{alpha}<string name="material" value="Cr"/></bsdf>'
    if roughness < 0.5:
        return f'<bsdf type="roughplastic">{alpha}<rgb name="diffuse_reflectance" value="{color}"/></bsdf>'
    return f'<bsdf type="diffuse"><rgb name="reflectance" value="{color}"/></bsdf>'


def finish(name: str) -> tuple[float, float]:
    """Metallic and roughness."""
    return next((found for word, found in FINISHES.items() if word in name), (0, 0.7))


def shade(made: Any) -> None:
    """Nodes for a material of a time before nodes, from its color and name."""
    made.use_nodes = True
    shader = next((node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED"), None)
    if shader is None:
        return  # has nodes of its own
    shader.inputs["Base Color"].default_value = made.diffuse_color
    shader.inputs["Metallic"].default_value, shader.inputs["Roughness"].default_value = finish(made.name)


def clear(*names: str) -> None:
    """Remove all lights, and what is no part of the place."""
    for thing in list(bpy.data.objects):
        if thing.type == "LIGHT" or thing.name in names:
            bpy.data.objects.remove(thing)


def slab(place: tuple[float, float, float], size: tuple[float, float]) -> None:
    """A ceiling."""
    bpy.ops.mesh.primitive_cube_add(size=1, location=place)
    bpy.context.object.scale = (*size, 0.05)


def along(walk: Walk, share: float) -> tuple[Any, Any]:
    """Where the camera is after a share of the walk, 0 to 1, and where it looks."""
    leg = min(int(share * (len(walk) - 1)), len(walk) - 2)
    before, after = ([Vector(point) for point in walk[number]] for number in (leg, leg + 1))
    part = share * (len(walk) - 1) - leg
    return before[0].lerp(after[0], part), before[1].lerp(after[1], part)


if __name__ == "__main__":
    environments, out = (Path(word).resolve() for word in sys.argv[-2:])
    out.mkdir(parents=True, exist_ok=True)
    kitchen(environments, out)
    apartment(environments, out)
