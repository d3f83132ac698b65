# SPDX-License-Identifier: GPL-3.0-or-later
"""Denoise the render result; render two halves and denoise them; store guides next time."""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import bpy

from . import options, passes
from .flow import Flow, Steps
from .worker.errors import WorkError

# Far from seeds that people choose.
OTHER_SEED = 1_000_003


def request(scene: bpy.types.Scene, frames: list[dict[str, Any]]) -> dict[str, Any]:
    """For the worker, from what is chosen.

    Raises:
        WorkError: an external mcdenoise is wanted, and its path isn't set; a learned model is wanted fast.
    """
    chosen, preferences = scene.mcdenoise, options.preferences()
    name = _model_name(chosen)
    model = options.model_path(name)
    asked = {
        "strength": chosen.strength,
        "guides": chosen.guides,
        "keep_noisy": chosen.keep_noisy,
        "mirrored": chosen.quality == "HIGH",
    }
    if preferences.engine == "external":
        weights = model.with_suffix(".safetensors")
        return {
            "do": "denoise",
            "frames": frames,
            "engine": "external",
            "program": program(),
            "options": asked,
            "model": str(weights) if weights.is_file() else name,
        }
    return {
        "do": "denoise",
        "frames": frames,
        "engine": preferences.engine,
        "model": str(model),
        "options": asked,
    }


def _model_name(chosen: Any) -> str:
    name = chosen.model or options.SHIPPED
    if chosen.quality != "FAST":
        return name
    if name != options.SHIPPED:
        raise WorkError(f"{name}: only the model Standard has a Fast one; choose it, or another quality")
    return options.FAST


def program() -> str:
    """The external mcdenoise.

    Raises:
        WorkError: its path isn't set.
    """
    if path := options.preferences().program:
        return bpy.path.abspath(path)
    raise WorkError(
        "No external mcdenoise; install it with pip and set its path in the extension's preferences"
    )


class DenoiseRender(Flow, bpy.types.Operator):
    """Denoise the render in the active slot, with all its view layers and views"""

    bl_idname = "mcdenoise.denoise"
    bl_label = "Denoise"

    def steps(self, context: bpy.types.Context) -> Steps:
        """See `Flow`."""
        with tempfile.TemporaryDirectory(prefix="mcdenoise-") as folder:
            saved = passes.save(context.scene, Path(folder) / "noisy.exr")
            yield "saved"
            yield from _denoise(
                self, context, {view: {"source": str(path)} for view, path in saved.items()}, folder
            )


class RenderHalves(Flow, bpy.types.Operator):
    """Render twice with half the samples, denoise both, take the mean: no slower, with a map of the error"""

    bl_idname = "mcdenoise.render_halves"
    bl_label = "Render Two Halves"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only Cycles has seeds."""
        if context.scene.render.engine != "CYCLES":
            cls.poll_message_set("Two halves need Cycles")
            return False
        return super().poll(context)

    def steps(self, context: bpy.types.Context) -> Steps:
        """See `Flow`."""
        scene = context.scene
        with tempfile.TemporaryDirectory(prefix="mcdenoise-") as folder:
            halves = []
            for half in range(2):
                with _half(scene, half):
                    yield from _render(self, scene)
                    halves.append(passes.save(scene, Path(folder) / f"{half}.exr"))
            frames = {view: {"halves": [str(saved[view]) for saved in halves]} for view in halves[0]}
            yield from _denoise(self, context, frames, folder)


class StoreGuides(bpy.types.Operator):
    """Let Cycles store the denoising passes from the next render on: edges and textures stay sharp"""

    bl_idname = "mcdenoise.store_guides"
    bl_label = "Store Guides for the Next Render"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - as Blender wants it

    def execute(self, context: bpy.types.Context) -> set[str]:
        """In every view layer."""
        for layer in context.scene.view_layers:
            layer.cycles.denoising_store_passes = True
        return {"FINISHED"}


def _denoise(
    flow: Flow, context: bpy.types.Context, views: Mapping[str, dict[str, Any]], folder: str
) -> Steps:
    """What is seen in each view, in the child, and the result shown."""
    name, start = context.scene.name, time.monotonic()
    targets = {view: Path(folder) / f"clean{number}.exr" for number, view in enumerate(views)}
    frames = [{**frame, "target": str(targets[view])} for view, frame in views.items()]
    outcomes = []
    for event in flow.ask(context, request(context.scene, frames)):
        if event["event"] == "failed":
            raise WorkError(event["error"])
        if event["event"] == "frame":
            outcomes.append(event)
        yield event["event"]
    scene = bpy.data.scenes.get(name)
    if not scene:
        raise WorkError(f"{name}: no such scene any more; press F12 and denoise again")
    problem = _show(scene, targets)
    flow.finish(context, _summary(scene, outcomes, time.monotonic() - start) + problem)


def _show(scene: bpy.types.Scene, targets: Mapping[str, Path]) -> str:
    """In a slot, or as images if that is chosen or a slot can't have it, and then why."""
    problem = ""
    if scene.mcdenoise.show_as == "SLOT":
        try:
            passes.into_slot(scene, targets)
        except WorkError as error:
            problem = f"; as an image, since {error}"
        else:
            return ""
    for view, target in targets.items():
        passes.into_image(target, f"{scene.name} denoised {view}".strip())
    return problem


def _summary(scene: bpy.types.Scene, outcomes: Sequence[Mapping[str, Any]], seconds: float) -> str:
    """What was done, and what isn't as one might expect."""
    layers, without = outcomes[0]["layers"], outcomes[0]["without_guides"]
    of_views = f" in {len(outcomes)} views" if len(outcomes) > 1 else ""
    notes = [f"{', '.join(layers)} denoised{of_views} in {seconds:.1f} s"]
    if without and scene.mcdenoise.guides:
        notes.append(f"without guides: {', '.join(without)}")
    if replaced := sum(outcome["replaced"] for outcome in outcomes):
        notes.append(f"{replaced} pixels of NaN or Inf replaced")
    return "; ".join(notes)


@contextlib.contextmanager
def _half(scene: bpy.types.Scene, half: int) -> Iterator[None]:
    """Half the samples, a seed of its own; no denoising by others."""
    cycles = scene.cycles
    with passes.kept(cycles):
        cycles.samples = max(cycles.samples // 2, 1)
        cycles.adaptive_min_samples //= 2
        cycles.time_limit /= 2
        cycles.use_denoising = False
        cycles.seed = (cycles.seed + half * OTHER_SEED) % 2**31
        yield


def _render(flow: Flow, scene: bpy.types.Scene) -> Steps:
    """A render; its settings aren't the user's, so a window is locked meanwhile, but for Esc.

    Raises:
        WorkError: it was cancelled.
    """
    was_cancelled: list[bool] = []

    def note(*_: Any) -> None:
        was_cancelled.append(True)

    passes.loading = True  # no denoising after each half
    bpy.app.handlers.render_cancel.append(note)
    try:
        if flow.is_blocking:
            bpy.ops.render.render(scene=scene.name)
        else:
            with passes.kept(scene.render):
                scene.render.use_lock_interface = True
                bpy.ops.render.render("INVOKE_DEFAULT", scene=scene.name)
            yield ""
            while bpy.app.is_job_running("RENDER"):
                yield ""
    finally:
        passes.loading = False
        bpy.app.handlers.render_cancel.remove(note)
    if was_cancelled:
        raise WorkError("The render was cancelled; both halves are needed")


register, unregister = bpy.utils.register_classes_factory((DenoiseRender, RenderHalves, StoreGuides))
