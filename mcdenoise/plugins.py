"""Finds plugins: a module in a package, or an installed entry point. No list is kept anywhere."""

import importlib
import pkgutil
from collections.abc import Mapping
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from mcdenoise.errors import UsageError


def names(package: ModuleType) -> tuple[str, ...]:
    """The public modules of `package`, sorted, none of them imported."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")))


def load(package: ModuleType, name: str) -> ModuleType:
    """Import the plugin `name` of `package`.

    Raises:
        UsageError: there is no such plugin; the message lists those that exist.
    """
    if name not in names(package):
        kind = package.__name__.rsplit(".", 1)[-1]
        raise UsageError(f"{kind}: no {name!r}; there is: {', '.join(names(package))}")
    return importlib.import_module(f"{package.__name__}.{name}")


def entries(group: str) -> Mapping[str, Any]:
    """The entry points that installed distributions declare for `group`, by name, none of them imported.

    Their type isn't always `importlib.metadata`'s: the package importlib_metadata, where something imported
    it (Dask does), puts its own in.
    """
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda e: e.name)}
