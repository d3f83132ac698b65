"""What a row found, in files that are written after each part, so that a second run goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.literature.images import Picture
from mcdenoise import files

RUNS = Path("runs/literature")
PAIRS = Path("pairs/literature")


class Results:
    """Numbers and pictures by name; those of another number of steps are forgotten.

    `pairs` are renders to learn from, for rows that want some; `are_timed`: on an idle machine.
    """

    def __init__(self, path: Path, steps: int, *, pairs: Path = PAIRS, are_timed: bool = False) -> None:
        self.path, self.steps, self.pairs, self.are_timed = path, steps, pairs, are_timed
        self.found: dict[str, Any] = {}
        self.is_whole = False
        if path.exists():
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["steps"] == steps:
                self.found, self.is_whole = told["found"], told["is_whole"]

    def once(self, name: str, find: Callable[[], Any]) -> Any:
        """What is called so; found now if it wasn't before."""
        if name not in self.found:
            self.found[name] = find()
            self._write()
            print(f"{self.path.stem}: {name}", flush=True)
        return self.found[name]

    def finish(self) -> None:
        """Nothing is missing any more."""
        self.is_whole = True
        self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        told = {"steps": self.steps, "is_whole": self.is_whole, "found": self.found}
        with files.whole(self.path) as part:
            part.write_text(json.dumps(told, indent=1), encoding="utf-8")

    def keep(self, name: str, picture: Picture) -> None:
        """A picture for the row's figure."""
        path = self._picture(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, picture)

    def picture(self, name: str) -> Picture:
        """A picture that was kept."""
        kept: Picture = np.load(self._picture(name))
        return kept

    def _picture(self, name: str) -> Path:
        return self.path.with_suffix("") / f"{name}.npy"


def read(path: Path) -> Results:
    """All that a row found, whatever its steps."""
    return Results(path, json.loads(path.read_text(encoding="utf-8"))["steps"])
