# SPDX-License-Identifier: GPL-3.0-or-later
"""Denoise after each render; end what runs when another file is opened, or undo would take away its ground.

In a window Blender calls render handlers in another thread, where nothing but a timer may be set.
"""

import bpy
from bpy.app.handlers import persistent

from . import flow, passes


@persistent
def _rendered(scene: bpy.types.Scene, *_: object) -> None:
    if scene.mcdenoise.after_render and not passes.loading:
        if bpy.app.background:
            _denoise()
        else:
            bpy.app.timers.register(_denoise)


def _denoise() -> None:
    """From the main thread; a render that can't be denoised is no reason to stop others."""
    if not bpy.ops.mcdenoise.denoise.poll():
        return
    try:
        bpy.ops.mcdenoise.denoise("EXEC_DEFAULT" if bpy.app.background else "INVOKE_DEFAULT")
    except RuntimeError as error:
        print(f"mcdenoise: {error}")  # noqa: T201 - there is no window to say it in


@persistent
def _loading(*_: object) -> None:
    flow.stop_all()


@persistent
def _undoing(*_: object) -> None:
    """A job may go on, but not while the scene's settings are ours."""
    if passes.loading:
        flow.stop_all()


def register() -> None:
    """See the package's."""
    bpy.app.handlers.render_complete.append(_rendered)
    bpy.app.handlers.load_pre.append(_loading)
    bpy.app.handlers.undo_pre.append(_undoing)
    bpy.app.handlers.redo_pre.append(_undoing)


def unregister() -> None:
    """See the package's."""
    bpy.app.handlers.redo_pre.remove(_undoing)
    bpy.app.handlers.undo_pre.remove(_undoing)
    bpy.app.handlers.load_pre.remove(_loading)
    bpy.app.handlers.render_complete.remove(_rendered)
    if bpy.app.timers.is_registered(_denoise):
        bpy.app.timers.unregister(_denoise)
