"""Made-up places into Mitsuba: pictures drawn, meshes handed over."""

from typing import Any

import numpy as np

from renderers.backends._variant import start
from renderers.scenes._meshes import normals
from renderers.scenes._pictures import Picture
from renderers.scenes._place import Part, Place


def load(place: Place) -> Any:
    """The place as a Mitsuba scene."""
    mi = start()
    parts = {
        f"part{number:03d}": _mesh(mi, part, f"part{number:03d}") for number, part in enumerate(place.parts)
    }
    lights = {f"light{number:03d}": _drawn(mi, light.plugin) for number, light in enumerate(place.lights)}
    return mi.load_dict({"type": "scene", **parts, **lights})


def _mesh(mi: Any, part: Part, name: str) -> Any:
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(_drawn(mi, part.material.plugin))
    if part.light:
        properties["emitter"] = mi.load_dict(_drawn(mi, part.light.plugin))
    if part.filling:
        properties["interior"] = mi.load_dict(part.filling.plugin)
    made = mi.Mesh(name, len(part.mesh.vertices), len(part.mesh.faces), properties, True, True)
    parameters = mi.traverse(made)
    parameters["vertex_positions"] = part.mesh.vertices.astype(np.float32).ravel()
    parameters["faces"] = part.mesh.faces.astype(np.uint32).ravel()
    parameters["vertex_texcoords"] = part.mesh.uv.astype(np.float32).ravel()
    parameters["vertex_normals"] = normals(part.mesh).astype(np.float32).ravel()
    parameters.update()
    return made


def _drawn(mi: Any, value: Any) -> Any:
    """The plugin with pictures in place of what says how to draw them, and matrices as transforms."""
    if isinstance(value, dict):
        return {key: _drawn(mi, inner) for key, inner in value.items()}
    if isinstance(value, Picture):
        return mi.Bitmap(value.pixels())
    if isinstance(value, np.ndarray):
        return mi.ScalarTransform4f(value) if value.shape == (4, 4) else mi.Bitmap(value)
    return value
