"""What an artist sees, in a real window; blender_window.sh starts it.

Renders, opens the tab, denoises while Blender stays usable, ends a second job with Esc (which the script
beside it presses once `press-now` appears), and takes a picture of each. Then two halves, after each render,
EEVEE, and undo, File > New and switching off while a job runs.
"""

import math
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import addon_utils
import bpy

NAME = "bl_ext.user_default.mcdenoise"
ZIP, FOLDER = sys.argv[-2], Path(sys.argv[-1])
SIDE = 400


def story() -> Iterator[float]:
    """Each yield is seconds to wait, in which Blender goes on."""
    bpy.ops.extensions.package_install_files(filepath=ZIP, repo="user_default", enable_on_install=True)
    room()
    bpy.ops.render.render()
    area = largest()
    area.type = "IMAGE_EDITOR"
    area.spaces.active.image = bpy.data.images["Render Result"]
    area.spaces.active.show_region_ui = True
    yield 2
    sidebar = next(region for region in area.regions if region.type == "UI")
    sidebar.active_panel_category = "Denoise"
    yield 2
    picture("noisy")
    denoise()
    yield from until(lambda: status().share > 0.3)
    picture("progress")
    yield from until(lambda: not status().is_running)
    yield 2
    assert "denoised in" in status().text, status().text
    assert bpy.data.images["Render Result"].render_slots.active_index == 1
    picture("denoised")
    denoise()
    yield from until(lambda: status().share > 0.1)
    (FOLDER / "press-now").touch()
    yield from until(lambda: not status().is_running)
    yield 1
    assert status().text == "cancelled", status().text
    picture("cancelled")
    bpy.context.scene.render.resolution_percentage = 25
    yield from halves()
    yield from undo_goes_on()
    yield from after_render()
    yield from eevee()
    yield from ends(lambda: bpy.ops.wm.read_homefile(app_template=""))
    yield from ends(lambda: addon_utils.disable(NAME))
    assert not hasattr(bpy.types.Scene, "mcdenoise")
    (FOLDER / "passed").touch()


def halves() -> Iterator[float]:
    """In the window, which is locked while its settings are others than the user's."""
    scene = bpy.context.scene
    before = scene.cycles.samples, scene.cycles.seed, scene.render.use_lock_interface
    start(bpy.ops.mcdenoise.render_halves)
    yield from until(lambda: not status().is_running)
    assert "denoised in" in status().text, status().text
    assert (scene.cycles.samples, scene.cycles.seed, scene.render.use_lock_interface) == before
    said("halves")


def undo_goes_on() -> Iterator[float]:
    bpy.ops.ed.undo_push(message="before")
    bpy.context.scene.cycles.samples = 3
    bpy.ops.ed.undo_push(message="samples")
    denoise()
    yield from until(child)
    with at_window():
        bpy.ops.ed.undo()
    assert bpy.context.scene.cycles.samples == 4
    yield from until(lambda: not status().is_running)
    assert "denoised in" in status().text, status().text
    said("undo")


def after_render() -> Iterator[float]:
    bpy.context.scene.mcdenoise.after_render = True
    status().text = ""
    start(bpy.ops.render.render)
    yield from until(lambda: "denoised in" in status().text)
    bpy.context.scene.mcdenoise.after_render = False
    said("after render")


def eevee() -> Iterator[float]:
    scene = bpy.context.scene
    engines = bpy.types.RenderSettings.bl_rna.properties["engine"].enum_items.keys()
    scene.render.engine = next(name for name in ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE") if name in engines)
    scene.eevee.taa_render_samples = 2
    bpy.ops.render.render()
    denoise()
    yield from until(lambda: not status().is_running)
    assert "without guides" in status().text, status().text
    said("EEVEE")


def ends(what: Callable[[], Any]) -> Iterator[float]:
    """A job by `what`, and its child."""
    room()
    bpy.context.scene.render.resolution_percentage = 25
    bpy.ops.render.render()
    largest().type = "IMAGE_EDITOR"
    yield 1
    denoise()
    yield from until(child)
    process = child()
    os.kill(process, 0)  # it is there
    what()
    yield 2
    assert not child()
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        said("ended")
        return
    raise AssertionError(f"{process} is there still")


def child() -> int:
    """Its process id; 0 if nothing runs."""
    flow = sys.modules.get(f"{NAME}.flow")
    running = flow and flow.Flow.running
    return running._job.process_id if running and running._job else 0


def said(what: str) -> None:
    """Into the log."""
    print("window:", what)


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
    start(bpy.ops.mcdenoise.denoise)


def start(operator: Any) -> None:
    with at_window():
        assert operator("INVOKE_DEFAULT") == {"RUNNING_MODAL"}


def largest() -> Any:
    return max(bpy.context.window_manager.windows[0].screen.areas, key=lambda a: a.width * a.height)


def at_window() -> Any:
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "IMAGE_EDITOR")
    region = next(region for region in area.regions if region.type == "WINDOW")
    return bpy.context.temp_override(window=window, area=area, region=region)


def status() -> Any:
    return bpy.context.window_manager.mcdenoise


def until(reached: Any) -> Iterator[float]:
    for _ in range(6000):  # busy machines
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
bpy.app.timers.register(lambda: step(STEPS), first_interval=3, persistent=True)
