"""What is done with the extension inside a Blender: `python blender_stories.py STORY FOLDER ZIP`.

Run by tests/test_addon.py; each story fails by an assertion. Small real renders by Cycles.
"""

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

STORY, FOLDER, ZIP = sys.argv[-3], Path(sys.argv[-2]), sys.argv[-1]
os.environ["TMPDIR"] = str(FOLDER)
os.environ["BLENDER_USER_RESOURCES"] = str(FOLDER / "user")
(FOLDER / "user").mkdir()

import bpy  # noqa: E402 - reads the variable
import numpy as np  # noqa: E402 - Blender's own

NAME = "bl_ext.user_default.mcdenoise"
SIDE = 96


# ---- what stories are made of ----


def install() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.preferences.addon_enable(module="cycles")
    bpy.ops.extensions.package_install_files(filepath=ZIP, repo="user_default", enable_on_install=True)
    assert NAME in [addon.module for addon in bpy.context.preferences.addons]


def module(name: str) -> Any:
    """Of the installed extension."""
    return sys.modules[f"{NAME}.{name}"]


def preferences() -> Any:
    return bpy.context.preferences.addons[NAME].preferences


def room(samples: int = 8, seed: int = 0) -> Any:
    """A box, a ball, a lamp, a camera; guides stored."""
    scene = bpy.context.scene
    scene.render.engine, scene.render.resolution_percentage = "CYCLES", 100
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    cycles = scene.cycles
    cycles.samples, cycles.seed, cycles.device = samples, seed, "CPU"
    cycles.use_denoising = cycles.use_adaptive_sampling = False
    scene.view_layers[0].cycles.denoising_store_passes = True
    bpy.ops.mesh.primitive_cube_add(size=4, location=(0, 0, 2))
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.8, location=(0.4, 0.6, 0.8))
    bpy.ops.object.shade_smooth()
    add("lamp", bpy.data.lights.new("lamp", "AREA"), (0.8, -0.5, 3.8), (0, 0, 0))
    bpy.data.lights["lamp"].energy, bpy.data.lights["lamp"].size = 60, 0.8
    scene.camera = add("camera", bpy.data.cameras.new("camera"), (-1.2, -1.8, 1.6), (83, 0, -28))
    return scene


def add(name: str, what: Any, place: tuple[float, ...], turn: tuple[float, ...]) -> Any:
    thing = bpy.data.objects.new(name, what)
    thing.location, thing.rotation_euler = place, [math.radians(t) for t in turn]
    bpy.context.scene.collection.objects.link(thing)
    return thing


def render(scene: Any, **settings: Any) -> None:
    for name, value in settings.items():
        setattr(scene.cycles, name, value)
    bpy.ops.render.render()


def passes() -> dict[str, np.ndarray]:
    """Of the active slot: channels by name."""
    path = FOLDER / "passes.exr"
    path.unlink(missing_ok=True)
    module("passes").save(bpy.context.scene, path)
    parts = module("worker.exr_file").read(path)
    return {name: pixels for part in parts for name, pixels in part.channels.items()}


def color(layer: str = "ViewLayer", name: str = "Combined") -> np.ndarray:
    found = passes()
    return np.stack([found[f"{layer}.{name}.{letter}"] for letter in "RGB"], -1)


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(((found - wanted) ** 2 / (wanted**2 + 0.01)).mean())


def settings() -> dict[str, str]:
    """All that a user can set in scenes, layers, cameras, nodes and the rest, by its path."""
    kinds = ("scenes", "cameras", "lights", "materials", "node_groups", "objects", "worlds")
    bpy.context.view_layer.update()
    found = {kind: str(len(getattr(bpy.data, kind))) for kind in kinds}
    for kind in kinds:
        for block in getattr(bpy.data, kind):
            note(f"{kind} {block.name}", block, found)
    return found


def note(path: str, owner: Any, found: dict[str, str]) -> None:
    """What Blender computes, and how often a thing is used, is no setting; uv_sculpt crashes Blender 4.2."""
    skipped = ("rna_type", "depsgraph", "original", "users", "bound_box", "saved_output", "uv_sculpt")
    for rna in owner.bl_rna.properties:
        name, value = rna.identifier, None
        if name not in skipped:
            value = getattr(owner, name)
        inside = isinstance(value, bpy.types.bpy_struct) and (
            not isinstance(value, bpy.types.ID) or value.is_embedded_data
        )
        if inside and path.count(".") < 6:
            note(f"{path}.{name}", value, found)
        elif rna.type == "COLLECTION" and value is not None:
            for number, each in enumerate(value):
                if not isinstance(each, bpy.types.ID) and path.count(".") < 6:
                    note(f"{path}.{name}[{number}]", each, found)
        elif not isinstance(value, bpy.types.bpy_struct) or isinstance(value, bpy.types.ID):
            found[f"{path}.{name}"] = repr(value[:] if getattr(rna, "is_array", False) and value else value)


def kept(before: dict[str, str]) -> bool:
    """No setting is another than it was."""
    after = settings()
    changed = {name: (before.get(name), after.get(name)) for name in before.keys() | after.keys()}
    changed = {name: pair for name, pair in changed.items() if pair[0] != pair[1]}
    assert not changed, changed
    return True


def compositor(scene: Any) -> Any:
    """Nodes that turn the picture's colors around."""
    if hasattr(scene, "compositing_node_group"):
        tree = scene.compositing_node_group = bpy.data.node_groups.new("turned", "CompositorNodeTree")
        tree.interface.new_socket(name="Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    else:
        scene.use_nodes = True  # makes the tree
        tree = scene.node_tree
        tree.nodes.clear()
    output = "NodeGroupOutput" if hasattr(tree, "interface") and tree.interface.items_tree else None
    layers, turned, out = (
        tree.nodes.new(kind)
        for kind in ("CompositorNodeRLayers", "CompositorNodeInvert", output or "CompositorNodeComposite")
    )
    tree.links.new(layers.outputs["Image"], turned.inputs["Color"])
    tree.links.new(turned.outputs[0], out.inputs[0])
    return tree


def started(name: str = "DenoiseRender") -> Any:
    """An operator in the midst of its work, which in a window takes a step at each tick."""
    members = {"steps": getattr(module("operators"), name).steps, "report": lambda *_: None}
    probe = type("Probe", (module("flow").Flow,), members)()
    probe._begin(bpy.context, blocking=False)
    while not probe._job:
        next(probe._steps)
    assert running(probe._job.process_id)
    assert not bpy.ops.mcdenoise.denoise.poll()
    return probe


def ended(probe: Any) -> bool:
    """Without child or files, and another may begin."""
    status = bpy.context.window_manager.mcdenoise
    assert not running(probe._job.process_id)
    assert not list(FOLDER.glob("mcdenoise-*"))
    return not status.is_running and bool(bpy.ops.mcdenoise.denoise.poll())


def running(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def denoise() -> str:
    assert bpy.ops.mcdenoise.denoise() == {"FINISHED"}
    return str(bpy.context.window_manager.mcdenoise.text)


def refused(call: Any) -> str:
    try:
        call()
    except (RuntimeError, module("worker.errors").WorkError) as problem:
        return str(problem)
    raise AssertionError("not refused")


# ---- stories ----


def error_falls_to_a_third() -> None:
    """Of a render at 8 spp against one at 512, by each engine that is there."""
    scene = room()
    render(scene, samples=512, seed=99)
    reference = color()
    render(scene, samples=8, seed=1)
    noisy = color()
    slots = bpy.data.images["Render Result"].render_slots
    scores = {}
    for engine in os.environ.get("STORY_ENGINES", "numpy").split():
        slots.active_index = 0
        preferences().engine = engine
        said = denoise()
        assert slots.active_index == 1, said
        scores[engine] = color()
        ratio = error(noisy, reference) / error(scores[engine], reference)
        print(engine, "error falls", round(ratio, 2), "times;", said)
        assert ratio > 3
    slots.active_index = 0
    assert (color() == noisy).all()
    for other in list(scores.values())[1:]:
        assert np.abs(other - scores["numpy"]).sum() < 1e-3 * other.sum()


def settings_are_as_they_were() -> None:
    """After everything that can be pressed, with settings that are easily lost."""
    scene = room()
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format, image.color_mode, image.color_depth = "PNG", "BW", "16"
    image.color_management, image.linear_colorspace_settings.name = "OVERRIDE", "ACEScg"
    scene.render.use_border, scene.render.border_max_x = True, 0.5
    scene.render.resolution_percentage, scene.render.resolution_x = 50, 2 * SIDE
    scene.view_layers.new("another")
    compositor(scene)
    before = settings()
    assert len(before) > 500, before
    render(scene)
    assert kept(before)
    noisy = color()
    denoise()
    assert kept(before)
    assert np.array_equal(color(name="Noisy Image"), noisy)
    bpy.ops.mcdenoise.render_halves()
    assert kept(before)
    bpy.ops.mcdenoise.set_up_output()
    assert settings() != before
    bpy.ops.mcdenoise.give_output_back()
    assert kept(before)


def compositor_gets_the_denoised() -> None:
    scene = room()
    compositor(scene)
    # Before one is chosen there is none to give back.
    scene.render.image_settings.linear_colorspace_settings.name = "sRGB"
    render(scene)
    before = settings()
    noisy = passes()
    assert "mcdenoise" not in denoise()
    assert kept(before)
    clean = passes()
    turned = next(
        name for name in clean if "Combined" in name and name.startswith("Composite") and name[-1] == "R"
    )
    name = f"ViewLayer.Combined.{turned[-1]}"
    assert roughness(clean[name]) < 0.9 * roughness(noisy[name])
    assert np.allclose(clean[turned], 1 - clean[name], atol=1e-3)
    assert np.allclose(noisy[turned], 1 - noisy[name], atol=1e-3)


def render_of_another_size_or_layer_is_shown_all_the_same() -> None:
    """Cropped, or changed since; a layer that has another name now can only be an image."""
    scene = room(samples=2)
    render_settings = scene.render
    render_settings.use_border = render_settings.use_crop_to_border = True
    render_settings.border_max_x, render_settings.border_max_y = 0.5, 0.75
    render(scene)
    slots = bpy.data.images["Render Result"].render_slots
    noisy = color()
    render_settings.use_border, render_settings.resolution_percentage = False, 50
    denoise()
    assert slots.active_index == 1
    assert color().shape == noisy.shape == (SIDE * 3 // 4, SIDE // 2, 3)
    scene.view_layers[0].name, slots.active_index = "renamed", 0
    count = len(bpy.data.images)
    assert "as an image, since the render has no layer renamed" in denoise()
    assert len(bpy.data.images) == count + 1
    assert slots.active_index == 0
    assert np.array_equal(color(), noisy)


def what_cannot_be_written_is_said() -> None:
    scene = room(samples=1)
    render(scene)
    path = FOLDER / "taken.exr"
    path.mkdir()
    assert "can't write the render" in refused(lambda: module("passes").save(scene, path))


def eevee_gets_the_color_only_path() -> None:
    """Where there is no graphics it can't render: tests/blender_window.sh has it in a window."""
    scene = room()
    engines = bpy.types.RenderSettings.bl_rna.properties["engine"].enum_items.keys()
    scene.render.engine = next(name for name in ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE") if name in engines)
    scene.eevee.taa_render_samples = 2
    try:
        bpy.ops.render.render()
        passes()
    except Exception as problem:
        print("EEVEE can't render here:", problem)
        return
    assert "without guides: ViewLayer" in denoise()
    assert not bpy.ops.mcdenoise.render_halves.poll()
    bpy.ops.preferences.addon_disable(module="cycles")
    assert bpy.ops.mcdenoise.set_up_output() == {"FINISHED"}
    assert bpy.ops.mcdenoise.give_output_back() == {"FINISHED"}


def nothing_rendered_is_said() -> None:
    room()
    assert "press F12 first" in refused(bpy.ops.mcdenoise.denoise)
    assert not bpy.context.window_manager.mcdenoise.is_running


def all_passes_are_kept_in_every_layer() -> None:
    """Two layers of odd names, cryptomatte, a transparent film, a border."""
    scene = room()
    scene.view_layers[0].name = "My.Layer Combined"
    scene.view_layers.new("second layer").cycles.denoising_store_passes = False
    scene.view_layers[0].use_pass_cryptomatte_object = scene.view_layers[0].use_pass_z = True
    scene.render.film_transparent = scene.render.use_border = True
    scene.render.border_min_x, scene.render.border_max_x = 0.2, 0.8
    bpy.data.objects["Cube"].hide_render = True
    render(scene)
    before = passes()
    said = denoise()
    assert "without guides: second layer" in said, said
    after = passes()
    assert before.keys() <= after.keys(), before.keys() - after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {
        f"{layer}.Combined.{c}" for layer in ("My.Layer Combined", "second layer") for c in "RGB"
    }, changed
    noisy = {name: after[name] for name in after if "Noisy Image" in name}
    assert {f"second layer.Noisy Image.{c}" for c in "RGBA"} <= noisy.keys()
    assert np.array_equal(noisy["second layer.Noisy Image.R"], before["second layer.Combined.R"])
    nothing = before["second layer.Combined.A"] == 0
    assert nothing.any()
    assert not after["second layer.Combined.R"][nothing].any()


def both_eyes_are_denoised() -> None:
    scene = room()
    scene.render.use_multiview = True
    render(scene)
    before = [eye(view) for view in ("left", "right")]
    assert "in 2 views" in denoise()
    assert bpy.data.images["Render Result"].render_slots.active_index == 1
    after = [eye(view) for view in ("left", "right")]
    for view, noisy in zip(("left", "right"), before, strict=True):
        assert np.array_equal(eye(view, "Noisy Image.G"), noisy)
        assert eye(view, "Denoising Albedo.G").any()
    for noisy, clean in zip(before, after, strict=True):
        assert 0.9 < clean.mean() / noisy.mean() < 1.1, (clean.mean(), noisy.mean())
        assert roughness(clean) < 0.5 * roughness(noisy)
    assert not np.array_equal(*after)


def eye(view: str, channel: str = "Combined.G") -> np.ndarray:
    saved = module("passes").save(bpy.context.scene, FOLDER / "eye.exr")
    parts = module("worker.exr_file").read(saved[view])
    name = f"ViewLayer.{channel}"
    return next(part.channels[name] for part in parts if name in part.channels)


def roughness(picture: np.ndarray) -> float:
    return float(np.abs(np.diff(np.log1p(picture), axis=0)).mean())


def render_without_guides_gets_the_color_only_path() -> None:
    scene = room(samples=4)
    scene.view_layers[0].cycles.denoising_store_passes = False
    render(scene)
    assert "without guides: ViewLayer" in denoise()
    assert bpy.ops.mcdenoise.store_guides() == {"FINISHED"}
    render(scene)
    assert "without guides" not in denoise()


def options_do_what_they_say() -> None:
    scene, chosen = room(), bpy.context.scene.mcdenoise
    render(scene)
    slots = bpy.data.images["Render Result"].render_slots
    noisy = color()
    results = {}
    for name, values in {
        "full": {},
        "half": {"strength": 0.5},
        "none": {"strength": 0},
        "high": {"quality": "HIGH"},
        "fast": {"quality": "FAST"},
        "no guides": {"guides": False},
    }.items():
        slots.active_index = 0
        for key, value in {"strength": 1, "quality": "STANDARD", "guides": True, **values}.items():
            setattr(chosen, key, value)
        denoise()
        results[name] = color()
    assert np.array_equal(results["none"], noisy)
    assert np.allclose(results["half"], (noisy + results["full"]) / 2, atol=1e-4)
    for name in ("high", "fast", "no guides"):
        difference = np.abs(results[name] - results["full"]).sum() / noisy.sum()
        assert 1e-4 < difference < 0.3, (name, difference)
    slots.active_index, chosen.show_as, chosen.keep_noisy = 0, "IMAGE", False
    count = len(bpy.data.images)
    denoise()
    assert len(bpy.data.images) == count + 1
    assert slots.active_index == 0


def two_halves_come_with_an_error_map() -> None:
    scene = room(samples=16)
    render(scene, samples=512, seed=99)
    reference = color()
    scene.cycles.samples, scene.cycles.seed = 16, 3
    assert bpy.ops.mcdenoise.render_halves() == {"FINISHED"}
    found = passes()
    noisy, clean = color(name="Noisy Image"), color()
    assert error(noisy, reference) > 3 * error(clean, reference)
    mapped = found["ViewLayer.Denoising Error.V"]
    assert mapped.min() >= 0
    assert mapped.mean() > 0
    print(
        "two halves: error", error(clean, reference), "noisy", error(noisy, reference), "map", mapped.mean()
    )


def after_each_render_it_is_denoised_once() -> None:
    scene = room()
    scene.mcdenoise.after_render = True
    render(scene)
    slots = bpy.data.images["Render Result"].render_slots
    assert slots.active_index == 1
    assert "ViewLayer.Noisy Image.R" in passes()


def cancelled_job_leaves_no_process() -> None:
    """A child that works is killed by closing its stdin, as Esc does."""
    scene = room()
    render(scene)
    path = FOLDER / "noisy.exr"
    module("passes").save(scene, path)
    target = FOLDER / "clean.exr"
    preferences().engine = "numpy"
    request = module("operators").request(scene, [{"source": str(path), "target": str(target)}])
    job = module("job").Job(request)
    first = next(job.events(wait=True))
    assert first["event"] == "started"
    job.end()
    assert not target.exists()
    assert not running(job.process_id)


def switching_off_ends_what_runs() -> None:
    import addon_utils

    scene = room()
    render(scene)
    for _ in range(3):
        addon_utils.disable(NAME, default_set=True)
        assert not hasattr(bpy.types.Scene, "mcdenoise")
        addon_utils.enable(NAME, default_set=True)
    denoise()
    probe = started()
    addon_utils.disable(NAME, default_set=True)
    assert not running(probe._job.process_id)
    assert not list(FOLDER.glob("mcdenoise-*"))
    assert not hasattr(bpy.ops.mcdenoise, "denoise") or "MCDENOISE_OT_denoise" not in dir(bpy.types)
    addon_utils.enable(NAME, default_set=True)
    denoise()


def another_file_ends_what_runs() -> None:
    """Open, and File > New."""
    room(samples=1)
    file = str(FOLDER / "room.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    for load, options in (
        (bpy.ops.wm.open_mainfile, {"filepath": file}),
        (bpy.ops.wm.read_homefile, {"app_template": ""}),
    ):
        bpy.ops.render.render()
        probe = started()
        load(**options)
        assert ended(probe)
    bpy.ops.wm.open_mainfile(filepath=file)
    bpy.ops.render.render()
    assert "denoised in" in denoise()


def undo_leaves_job_and_result_alone() -> None:
    scene = room(samples=8)
    bpy.ops.ed.undo_push(message="room")
    scene.cycles.samples, scene.render.resolution_percentage = 4, 100
    bpy.ops.ed.undo_push(message="samples")
    render(scene)
    noisy = color()
    probe = started()
    bpy.ops.ed.undo()
    assert bpy.context.scene.cycles.samples == 8
    for _ in probe._steps:
        time.sleep(0.05)
    probe._end(bpy.context)
    assert roughness(color()) < 0.5 * roughness(noisy)
    render(bpy.context.scene)
    noisy = color()
    denoise()
    clean, slot = color(), bpy.data.images["Render Result"].render_slots.active_index
    bpy.ops.ed.undo_push(message="denoised")
    bpy.context.scene.cycles.samples = 2
    bpy.ops.ed.undo_push(message="fewer samples")
    bpy.ops.ed.undo()
    assert bpy.context.scene.cycles.samples == 8
    slots = bpy.data.images["Render Result"].render_slots
    assert (slots.active_index, slot) == (1, 1)
    assert np.array_equal(color(), clean)
    slots.active_index = 0
    assert np.array_equal(color(), noisy)


def sequence_goes_on_after_missing_and_broken_frames() -> None:
    scene = room(samples=2)
    scene.frame_start, scene.frame_end = 1, 4
    scene.render.filepath = str(FOLDER / "shot.")
    assert "no EXR files" in refused(bpy.ops.mcdenoise.denoise_sequence)
    bpy.ops.mcdenoise.set_up_output()
    bpy.ops.render.render(animation=True)
    files = sorted(FOLDER.glob("shot.*.exr"))
    assert len(files) == 4, files
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:5000])
    originals = {path: path.read_bytes() for path in FOLDER.glob("shot.*.exr")}
    said = refused(bpy.ops.mcdenoise.denoise_sequence)
    assert "2 written, 0 skipped, 2 failed" in said, said
    assert "no such file" in said, said
    assert {path: path.read_bytes() for path in FOLDER.glob("shot.*.exr")} == originals
    made = sorted(path.name for path in (FOLDER / "denoised").iterdir())
    assert made == [files[0].name, files[3].name], made
    assert "0 written, 2 skipped, 2 failed" in refused(bpy.ops.mcdenoise.denoise_sequence)
    for path in (files[1], files[2]):
        path.write_bytes(originals[files[0]])
    assert bpy.ops.mcdenoise.denoise_sequence() == {"FINISHED"}
    said = bpy.context.window_manager.mcdenoise.text
    assert said.startswith("2 written, 2 skipped, 0 failed"), said


def sequence_in_stereo_is_denoised_for_both_eyes() -> None:
    """A file for each eye, or one for both."""
    scene = room(samples=1)
    scene.render.use_multiview, scene.frame_end = True, 1
    bpy.ops.mcdenoise.set_up_output()
    for kind, count in (("INDIVIDUAL", 2), ("MULTIVIEW", 1)):
        scene.render.image_settings.views_format = kind
        scene.render.filepath = str(FOLDER / kind / "shot.")
        bpy.ops.render.render(animation=True)
        assert len(list((FOLDER / kind).glob("*.exr"))) == count
        assert bpy.ops.mcdenoise.denoise_sequence() == {"FINISHED"}
        said = bpy.context.window_manager.mcdenoise.text
        assert said.startswith(f"{count} written, 0 skipped, 0 failed"), said


def external_denoises_as_numpy_does() -> None:
    """A real mcdenoise."""
    scene = room()
    render(scene)
    preferences().engine, preferences().program = "external", str(FOLDER / "nowhere")
    assert "can't be started" in refused(bpy.ops.mcdenoise.denoise)
    preferences().program = os.environ["STORY_PROGRAM"]
    slots = bpy.data.images["Render Result"].render_slots
    denoise()
    by_torch = color()
    preferences().engine, slots.active_index = "numpy", 0
    denoise()
    difference = np.abs(color() - by_torch).sum() / by_torch.sum()
    print("torch and numpy differ by", difference)
    assert difference < 1e-3


def model_learned_from_the_file_is_in_the_list_and_runs() -> None:
    """Two pairs and eight steps, by a real mcdenoise."""
    scene, chosen = room(), bpy.context.scene.mcdenoise
    assert "No external mcdenoise" in refused(bpy.ops.mcdenoise.learn)
    preferences().program = os.environ["STORY_PROGRAM"]
    render(scene)
    denoise()
    shipped = color()
    chosen.learn_name, chosen.learn_pairs, chosen.learn_samples = "cube", 2, 1
    chosen.learn_steps, chosen.learn_side = 8, 64
    before = settings()
    assert bpy.ops.mcdenoise.learn() == {"FINISHED"}
    before["scenes Scene.mcdenoise.model"] = "'cube'"
    assert kept(before)
    assert chosen.model == "cube"
    bpy.data.images["Render Result"].render_slots.active_index = 0
    denoise()
    assert np.isfinite(color()).all()
    assert np.abs(color() - shipped).sum() > 1e-3 * shipped.sum()


if __name__ == "__main__":
    install()
    globals()[STORY]()
    print(json.dumps({"passed": STORY, "blender": bpy.app.version_string}), time.process_time())
