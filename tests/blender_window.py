"""What an artist sees, in a real window; blender_window.sh starts it.

Renders, opens the tab, denoises while Blender stays usable, ends a second job with Esc (which the script
beside it presses once `press-now` appears), and takes a picture of each.
"""

import math
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

ZIP, FOLDER = sys.argv[-2], Path(sys.argv[-1])
SIDE = 400


def story() -> Iterator[float]:
    """Each yield is seconds to wait, in which Blender goes on."""
    bpy.ops.extensions.package_install_files(filepath=ZIP, repo="user_default", enable_on_install=True)
    room()
    bpy.ops.render.render()
    area = max(bpy.context.window.screen.areas, key=lambda a: a.width * a.height)
    area.type = "IMAGE_EDITOR"
    area.spaces.active.image = bpy.data.images["Render Result"]
    area.spaces.active.show_region_ui = True
    yield 2
    sidebar = next(region for region in area.regions if region.type == "UI")
    sidebar.active_panel_category = "Denoise"
    yield 2
    picture("noisy")
    denoise()
    yield from until(lambda: status().share > 0.2)
    picture("progress")
    yield from until(lambda: not status().is_running)
    yield 2
    assert "denoised in" in status().text, status().text
    assert bpy.data.images["Render Result"].render_slots.active_index == 1
    picture("denoised")
    denoise()
    yield 1
    (FOLDER / "press-now").touch()
    yield from until(lambda: not status().is_running)
    yield 1
    assert status().text == "cancelled", status().text
    picture("cancelled")
    (FOLDER / "passed").touch()


def room() -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    scene.render.resolution_percentage = 100
    scene.cycles.samples, scene.cycles.use_denoising = 4, False
    scene.view_layers[0].cycles.denoising_store_passes = True
    bpy.data.objects["Cube"].scale = (20, 20, 0.05)
    for place, metallic in ((-1.6, 0.0), (0.0, 1.0), (1.6, 0.0)):
        bpy.ops.mesh.primitive_monkey_add(size=1.6, location=(place, place / 3, 0.9), rotation=(-0.6, 0, 0.6))
        made = bpy.data.materials.new("made")
        made.use_nodes = True
        shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        shader.inputs["Base Color"].default_value = (0.8, 0.3 + place / 6, 0.3 - place / 6, 1)
        shader.inputs["Metallic"].default_value, shader.inputs["Roughness"].default_value = metallic, 0.25
        bpy.context.object.data.materials.append(made)
        bpy.ops.object.shade_smooth()
    bpy.data.objects["Light"].data.shadow_soft_size = 1.5
    scene.camera.location, scene.camera.rotation_euler = (
        (3.2, -5.2, 3.6),
        [math.radians(t) for t in (62, 0, 32)],
    )


def denoise() -> None:
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "IMAGE_EDITOR")
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        assert bpy.ops.mcdenoise.denoise("INVOKE_DEFAULT") == {"RUNNING_MODAL"}


def status() -> Any:
    return bpy.context.window_manager.mcdenoise


def until(reached: Any) -> Iterator[float]:
    for _ in range(600):
        if reached():
            return
        yield 0.2
    raise AssertionError(f"waited in vain: {status().text}")


def picture(name: str) -> None:
    """By the X server: Blender's own screenshot is black under Xvfb."""
    subprocess.run(["import", "-window", "root", str(FOLDER / f"{name}.png")], check=True)


def step(steps: Iterator[float]) -> float | None:
    try:
        return next(steps)
    except StopIteration:
        pass
    except BaseException:
        (FOLDER / "failed").write_text(traceback.format_exc())
    bpy.ops.wm.quit_blender()
    return None


STEPS = story()
bpy.app.timers.register(lambda: step(STEPS), first_interval=3)
