# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender extension: what is seen in Blender. What denoises is in `worker`, a process of its own."""

from . import after_render, flow, learn, menus, operators, options, sequence

_MODULES = (options, operators, sequence, learn, menus, after_render)


def register() -> None:
    """Blender calls it when the extension is switched on."""
    for module in _MODULES:
        module.register()


def unregister() -> None:
    """And when it is switched off: a running job ends, nothing stays."""
    flow.stop_all()
    for module in reversed(_MODULES):
        module.unregister()
