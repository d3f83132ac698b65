"""Denoises what Blender rendered, once the render is complete: a render handler.

    blender -b shot.blend --python denoise_after_render.py -a

The results go beside the frames, `shot.0001.exr` to `shot_denoised.0001.exr`; those that are done are left
out. MCDENOISE names the program if it isn't on the PATH, MCDENOISE_FLAGS more of its flags.
"""

import os
import shlex
import subprocess
from pathlib import Path

import bpy


@bpy.app.handlers.persistent
def denoise(scene, *_):
    """All frames of the scene's range that are there, in one process, so that the model is loaded once."""
    numbers = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
    frames = [path for path in (scene.render.frame_path(frame=n) for n in numbers) if Path(path).is_file()]
    program, flags = os.environ.get("MCDENOISE", "mcdenoise"), os.environ.get("MCDENOISE_FLAGS", "")
    subprocess.run([program, *frames, "--skip-existing", *shlex.split(flags)], check=True)  # noqa: S603


bpy.app.handlers.render_complete.append(denoise)
