"""Imports for who only denoises: without the collector, and without what torch brings for compiling."""

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# By which torch tells shapes without numbers, to compile and to export: a quarter of its import.
_UNUSED = "torch._meta_registrations"


@contextmanager
def lean() -> Iterator[None]:
    """For a process that only denoises: torch is there without `_UNUSED`, which comes with torch's compiler
    if something asks for that, and what is imported within isn't looked through by the collector."""
    gc.disable()
    try:
        if "torch" not in sys.modules:
            _import_torch()
        yield
    finally:
        gc.freeze()
        gc.enable()


def _import_torch() -> None:
    stand_in = sys.modules[_UNUSED] = _StandIn(_UNUSED)
    try:
        import torch
    finally:
        if sys.modules.get(_UNUSED) is stand_in:
            del sys.modules[_UNUSED]
    if vars(torch).get("_meta_registrations") is stand_in:
        del torch._meta_registrations
        sys.meta_path.insert(0, _BeforeCompiling())


class _StandIn(ModuleType):
    """Is there in place of `_UNUSED`, until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(_UNUSED) is self:
            del sys.modules[_UNUSED]
        return getattr(importlib.import_module(_UNUSED), name)


class _BeforeCompiling:
    """Finds nothing, but brings `_UNUSED` before torch's compiler, which can't import it by itself."""

    def find_spec(self, fullname: str, *_: object) -> None:
        """See `importlib.abc.MetaPathFinder`."""
        if fullname == "torch._dynamo" and self in sys.meta_path:
            sys.meta_path.remove(self)
            importlib.import_module(_UNUSED)
