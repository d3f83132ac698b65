# SPDX-License-Identifier: GPL-3.0-or-later
"""Denoise the render result; render two halves and denoise them; store guides next time."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
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
        WorkError: an external mcdenoise is wanted, and its path isn't set.
    """
    chosen, preferences = scene.mcdenoise, options.preferences()
    model = options.model_path(chosen.model or options.SHIPPED)
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
            "model": str(weights) if weights.is_file() else options.SHIPPED,
        }
    return {
        "do": "denoise",
        "frames": frames,
        "engine": preferences.engine,
        "model": str(model),
        "options": asked,
    }


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
            noisy, clean = Path(folder) / "noisy.exr", Path(folder) / "clean.exr"
            passes.save(context.scene, noisy)
            yield "saved"
            yield from _denoise(self, context, {"source": str(noisy), "target": str(clean)})


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
            halves = [Path(folder) / f"{letter}.exr" for letter in "ab"]
            for half, path in enumerate(halves):
                with _half(scene, half):
                    yield from _render(self, scene)
                    passes.save(scene, path)
            frame = {"halves": list(map(str, halves)), "target": str(Path(folder) / "clean.exr")}
            yield from _denoise(self, context, frame)


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


def _denoise(flow: Flow, context: bpy.types.Context, frame: dict[str, Any]) -> Steps:
    """One frame in the child, and its result shown."""
    scene, start, outcome = context.scene, time.monotonic(), {}
    for event in flow.ask(context, request(scene, [frame])):
        if event["event"] == "failed":
            raise WorkError(event["error"])
        if event["event"] == "frame":
            outcome = event
        yield event["event"]
    target = Path(outcome["target"])
    if scene.mcdenoise.show_as == "SLOT":
        passes.into_slot(scene, target)
    else:
        passes.into_image(target, f"{scene.name} denoised")
    notes = [f"{', '.join(outcome['layers'])} denoised in {time.monotonic() - start:.1f} s"]
    if outcome["without_guides"] and scene.mcdenoise.guides:
        notes.append(f"without guides: {', '.join(outcome['without_guides'])}")
    if outcome["replaced"]:
        notes.append(f"{outcome['replaced']} pixels of NaN or Inf replaced")
    flow.finish(context, "; ".join(notes))


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
    """A render, while Blender stays usable where there is a window.

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
            bpy.ops.render.render("INVOKE_DEFAULT", scene=scene.name)
            yield "rendering"
            while bpy.app.is_job_running("RENDER"):
                yield "rendering"
    finally:
        passes.loading = False
        bpy.app.handlers.render_cancel.remove(note)
    if was_cancelled:
        raise WorkError("The render was cancelled; both halves are needed")


_CLASSES = (DenoiseRender, RenderHalves, StoreGuides)


def register() -> None:
    """See the package's."""
    for each in _CLASSES:
        bpy.utils.register_class(each)


def unregister() -> None:
    """See the package's."""
    for each in reversed(_CLASSES):
        bpy.utils.unregister_class(each)
