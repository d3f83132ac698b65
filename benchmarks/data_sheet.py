"""What a folder of pairs holds, as Markdown: counted from headers, and from what made-up scenes are made of.

python -m benchmarks.data_sheet pairs/train

Nothing is rendered. A made-up scene that was lit by a map of `--environments` is counted under the sky that
it has without.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mcdenoise import exr, views
from renderers.scenes import procedural
from renderers.scenes._place import Place

MADE_UP = re.compile(rf"made{procedural.VERSION}-(\d+)")
# Attributes under `mcdenoise.`; files of older versions lack the last two.
ASKED = ("renderer", "filter", "spp", "changed", "guides")
OLDER = re.compile(r"made\d+-\d+")

LIGHTS = {"0": "the scene's own", "1": "changed by chance"}


@dataclass(frozen=True)
class Pair:
    """What the header of a pair's first file says."""

    scene: str
    renderer: str
    filter: str
    spp: str
    changed: str
    guides: str


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_sheet", description=__doc__)
    parser.add_argument("pairs", type=Path, metavar="PAIRS/", help="folder of pairs")
    folder = parser.parse_args().pairs
    print(as_markdown([pair(files.paths[0]) for files in views.find(folder)]))


def pair(first: Path) -> Pair:
    """The header of `NAME.a.exr`; `?` for what it doesn't say."""
    header = exr.read(first).parts[0].head.values
    said = {name: str(header.get(f"mcdenoise.{name}", "?")) for name in ASKED}
    return Pair(scene=str(header.get("mcdenoise.scene", first.name.split(".")[0])), **said)


def as_markdown(pairs: list[Pair]) -> str:
    """A table for each way to count."""
    scenes = sorted({pair.scene for pair in pairs})
    places = [procedural.describe(int(made[1])) for made in map(MADE_UP.fullmatch, scenes) if made]
    tables = {
        "pairs by renderer": Counter(pair.renderer for pair in pairs),
        "pairs by filter": Counter(pair.filter for pair in pairs),
        "pairs by spp of a half": Counter(pair.spp for pair in pairs),
        "pairs by kind of scene": Counter(kind(pair.scene) for pair in pairs),
        "pairs by lights and materials": Counter(LIGHTS.get(pair.changed, "not said") for pair in pairs),
        "pairs by guides": Counter(pair.guides for pair in pairs),
        **{f"made-up scenes by {name}": counts for name, counts in contents(places).items()},
    }
    head = f"{len(pairs)} pairs of {len(scenes)} scenes, {len(places)} of them made up.\n"
    return "\n".join([head, *(table(name, counts) for name, counts in tables.items() if counts)])


def kind(scene: str) -> str:
    """Made up by this version or by an older one, which can't be described, or from a file."""
    if MADE_UP.fullmatch(scene):
        return "made up"
    return "made up by an older version" if OLDER.fullmatch(scene) else "scene file"


def contents(places: Iterable[Place]) -> Mapping[str, Counter[str]]:
    """In how many places each layout, material, light, filling and camera is found."""
    found: dict[str, Counter[str]] = {"layout": Counter(), "material": Counter(), "light": Counter(),
                                      "filling": Counter(), "camera": Counter()}  # fmt: skip
    for place in places:
        found["layout"][place.kind] += 1
        found["camera"]["thin lens" if place.has_lens else "pinhole"] += 1
        found["material"].update({part.material.kind for part in place.parts if not part.light})
        found["light"].update({light.kind for light in place.all_lights})
        found["filling"].update({part.filling.kind for part in place.parts if part.filling})
    return found


def table(name: str, counts: Mapping[str, int]) -> str:
    """The counts as a Markdown table, the largest first."""
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return "\n".join([f"| {name} | |", "|---|---|", *(f"| {key} | {count} |" for key, count in rows), ""])


if __name__ == "__main__":
    main()
