"""Runs inside Blender, not in our process: opens a .blend and does what it is asked; never saves the file.

A line of JSON comes in, `{"do": "look", ...}`; a line goes out, a mark and `{"done": ...}` or
`{"error": ...}`.
Blender has its own Python: nothing of ours can be imported here, only bpy and the standard library.
"""

import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import bpy
from mathutils import Matrix, Vector

ENOUGH_DIGITS = 4


class Stage:
    """The open file, made ready to render single frames with Cycles on the CPU.

    Bounces, clamping, filter width, depth of field, motion blur and film stay as the file has them.
    """

    def __init__(self, path: str) -> None:
        bpy.ops.wm.open_mainfile(filepath=path, use_scripts=False)
        self._scene = bpy.context.scene
        self._frame = self._scene.frame_current
        self._camera = self._scene.camera
        if not self._camera:
            raise ValueError("the scene has no camera; add one, it is where the first view comes from")
        self._cuts = [
            (marker.frame, marker.camera) for marker in self._scene.timeline_markers if marker.camera
        ]
        for marker in self._scene.timeline_markers:
            marker.camera = None  # or Blender would go back to it at each frame
        _prepare_layers(self._scene)
        _prepare_render(self._scene.render)
        _prepare_cycles(self._scene.cycles)
        bpy.app.handlers.render_stats.append(_give_a_sign_of_life)

    def open(self) -> dict[str, Any]:
        """What the scene has."""
        own = self._camera_at(self._frame)
        cameras = sorted(o.name for o in self._scene.objects if o.type == "CAMERA" and o != own)
        return {
            "version": bpy.app.version_string.split()[0],
            "other_cameras": cameras,
            "frame": self._frame,
            "first_frame": self._scene.frame_start,
            "last_frame": self._scene.frame_end,
        }

    def look(self, frame: int, camera: str) -> dict[str, Any]:
        """Take the camera of this name, "" for the one in use: its matrix (16 numbers), angle in degrees."""
        self._scene.frame_set(frame)
        taken = self._scene.objects[camera] if camera else self._camera_at(frame)
        self._scene.camera = taken
        placed = taken.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world
        return {"matrix": _numbers(placed), "fov": math.degrees(taken.data.angle)}

    def move(self, matrix: Sequence[float], fov: float) -> None:
        """Take a copy of the camera, put elsewhere and focused on what is in its middle."""
        lens = self._scene.camera.data.copy()
        lens.animation_data_clear()
        lens.type, lens.sensor_fit, lens.shift_x, lens.shift_y = "PERSP", "AUTO", 0, 0
        lens.angle = math.radians(fov)
        camera = bpy.data.objects.new("mcdenoise", lens)
        self._scene.collection.objects.link(camera)
        camera.matrix_world = Matrix([matrix[row : row + 4] for row in range(0, 16, 4)])
        self._scene.camera = camera
        ahead = camera.matrix_world.to_3x3() @ Vector((0, 0, -1))
        distance = self.cast([camera.matrix_world.translation], [ahead])[0][0]
        if math.isfinite(distance):
            lens.dof.focus_object, lens.dof.focus_distance = None, distance

    def cast(self, origins: Iterable[Any], directions: Iterable[Any]) -> list[list[float]]:
        """For each ray its distance (Infinity for a miss) and the normal where it hits."""
        graph, found = bpy.context.evaluated_depsgraph_get(), []
        for origin, direction in zip(origins, directions, strict=True):
            hit, place, normal, *_ = self._scene.ray_cast(graph, origin, direction)
            found.append([(place - Vector(origin)).length, *normal] if hit else [math.inf, 0.0, 0.0, 0.0])
        return found

    def moving(self, frames: Sequence[int]) -> list[int]:
        """Those of `frames` at which things stand as they do neither now nor at one before."""
        seen, kept = [self._poses(self._frame)], []
        for frame in frames:
            poses = self._poses(frame)
            if poses not in seen:
                seen.append(poses)
                kept.append(frame)
        return kept

    def render(self, path: str, spp: int, seed: int, pixel_filter: str, size: Sequence[int]) -> None:
        """Render what the camera sees into a multilayer EXR file: scene-linear, 32 bits."""
        cycles, render = self._scene.cycles, self._scene.render
        cycles.samples, cycles.seed, cycles.pixel_filter_type = spp, seed, pixel_filter
        render.resolution_x, render.resolution_y = size
        bpy.ops.render.render(scene=self._scene.name)
        bpy.data.images["Render Result"].save_render(path, scene=self._scene)

    def _camera_at(self, frame: int) -> Any:
        """The camera that the last marker up to this frame names, else the scene's."""
        before = [cut for cut in self._cuts if cut[0] <= frame]
        return max(before, key=lambda cut: cut[0])[1] if before else self._camera

    def _poses(self, frame: int) -> list[float]:
        """Where everything is at a frame: objects, bones, and the camera in use."""
        self._scene.frame_set(frame)
        own = self._camera_at(frame)
        objects = [o for o in self._scene.objects if o.type != "CAMERA" or o == own]
        bones = [bone.matrix for o in objects if o.type == "ARMATURE" for bone in o.pose.bones]
        placed = [o.matrix_world for o in objects] + bones
        return [round(number, ENOUGH_DIGITS) for matrix in placed for number in _numbers(matrix)]


def _prepare_layers(scene: Any) -> None:
    """Render one view layer, the first in use, with the guides."""
    taken = next((layer for layer in scene.view_layers if layer.use), scene.view_layers[0])
    for layer in scene.view_layers:
        layer.use = layer == taken
    taken.cycles.denoising_store_passes = True
    bpy.context.window.view_layer = taken


def _prepare_render(render: Any) -> None:
    render.engine, render.resolution_percentage, render.use_persistent_data = "CYCLES", 100, True
    for unwanted in ("border", "compositing", "sequencer", "stamp", "multiview", "freestyle", "single_layer"):
        setattr(render, f"use_{unwanted}", False)
    file = render.image_settings
    if hasattr(file, "media_type"):  # Blender 5 wants it first
        file.media_type = "MULTI_LAYER_IMAGE"
    file.file_format, file.color_depth, file.exr_codec = "OPEN_EXR_MULTILAYER", "32", "ZIP"


def _prepare_cycles(cycles: Any) -> None:
    cycles.device, cycles.use_layer_samples = "CPU", "IGNORE"
    cycles.use_denoising = cycles.use_adaptive_sampling = cycles.use_animated_seed = False
    cycles.time_limit = cycles.sample_offset = 0
    if hasattr(cycles, "use_sample_subset"):  # Blender 4.5
        cycles.use_sample_subset = False


def _give_a_sign_of_life(stats: object = "", *_: object) -> None:
    os.write(2, f"{stats}\n".encode())


def _numbers(matrix: Any) -> list[float]:
    return [number for row in matrix for number in row]


def _serve(mark: str, path: str) -> None:
    """Answer until our standard input ends, as it does when our parent does."""
    # What Blender itself prints goes to stderr from here on: stdout is for answers alone.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        stage = None
        for line in sys.stdin:
            request = json.loads(line)
            try:
                stage = stage or Stage(path)
                answer = {"done": getattr(stage, request.pop("do"))(**request)}
            except Exception as error:  # whatever it is, our parent tells the user
                answer = {"error": str(error) or type(error).__name__}
            answers.write(f"\n{mark}{json.dumps(answer)}\n")
            answers.flush()


if __name__ == "__main__":
    _serve(*sys.argv[-2:])
