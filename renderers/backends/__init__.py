"""A module per renderer, found by name (see CONTRIBUTING.md). Each has:

- `SUFFIXES`: the endings of its scene files, `(".xml",)`,
- `FILTERS`: the names of its pixel filters,
- `open_file(path)`: a scene that obeys `_contract.OpenScene`; raises `NoInputError`, `SceneError`, and
  `UsageError` where the renderer itself is missing.

Importing it imports no renderer.
"""

import sys
from types import ModuleType

from mcdenoise import plugins


def every() -> list[ModuleType]:
    """The renderers, in the order of their names."""
    here = sys.modules[__name__]
    return [plugins.load(here, name) for name in plugins.names(here)]
