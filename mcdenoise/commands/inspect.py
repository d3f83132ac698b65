"""`mcdenoise inspect`: what a file holds, and which layer would be taken for what, and why."""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcdenoise.commands import _terminal
from mcdenoise.errors import FrameError, McdenoiseError, printable

if TYPE_CHECKING:
    from mcdenoise.exr import Part, Picture
    from mcdenoise.layouts import Taken

HELP = "show what EXR files hold, and which layer would be taken for what, and why"
EXAMPLES = """\
examples:
  mcdenoise inspect frame.exr
  mcdenoise inspect *.exr --json > layers.json

Of the pixels, only those of guides are read, to tell how they are stored.
"""

# Attributes that say nothing about the frame, or what is shown elsewhere.
STRUCTURE = ("name", "type", "chunkCount", "version", "pixelAspectRatio", "screenWindowWidth")
LONGEST = 60  # characters of an attribute shown; a cryptomatte manifest has thousands

Description = Mapping[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this verb."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.exr", help="files to look into")
    parser.add_argument("--json", action="store_true", help="print JSON in place of text")


def run(arguments: argparse.Namespace) -> int:
    """Describe each file; one bad file doesn't stop the rest, and exit codes are those of `denoise`."""
    from mcdenoise import exr

    described, codes = [], set()
    for path in arguments.files:
        try:
            described.append(describe(exr.read(path)))
        except McdenoiseError as error:
            _terminal.report(error)
            codes.add(error.exit_code)
    if arguments.json:
        _terminal.say(json.dumps(described, indent=2, ensure_ascii=False))
    elif described:
        _terminal.say("\n\n".join("\n".join(map(printable, _text(each))) for each in described))
    return codes.pop() if len(codes) == 1 else min(len(codes), 1)


def describe(picture: "Picture") -> Description:
    """What `--json` prints for one file."""
    return {"file": str(picture.path), "parts": [_part(part) for part in picture.parts], **_taken(picture)}


def _part(part: "Part") -> Description:
    return {
        "name": part.name,
        "type": part.head.kind,
        "compression": part.compression,
        "data_window": list(part.window),
        "display_window": list(part.head.display_window),
        "layers": _layers(part.types),
        "attributes": {k: v for k, v in part.head.values.items() if k not in STRUCTURE},
    }


def _layers(types: Mapping[str, str]) -> list[Description]:
    """The channels by what stands before their last dot, each with its type."""
    layers: dict[str, dict[str, str]] = {}
    for channel, kind in types.items():
        layer, _, last = channel.rpartition(".")
        layers.setdefault(layer, {})[last] = kind
    return [{"name": name, "channels": channels} for name, channels in layers.items()]


def _taken(picture: "Picture") -> Description:
    """The channels of each plane, the reason for them and how they are stored, or why the file can't be
    denoised."""
    from mcdenoise import selection

    try:
        chosen = selection.select(picture, selection.Wanted())
    except FrameError as error:
        return {"planes": {}, "others": [], "problem": str(error).removeprefix(f"{picture.path}: ")}
    notes = selection.guide_notes(chosen)
    layout, told = chosen.layout, {}
    for name, taken in layout.planes.items():
        told[name] = _as_taken(taken) | ({"stored": notes[name]} if name in notes else {})
    lights = [_as_taken(light.taken) | ({"times": light.factor.label} if light.factor else {})
              for light in layout.lights]  # fmt: skip
    more = {"light": lights, "alpha": _as_taken(layout.alpha) if layout.alpha else None, "left": layout.left}
    return {"planes": told, "others": list(layout.others), **{name: one for name, one in more.items() if one}}


def _as_taken(taken: "Taken") -> dict[str, Any]:
    return {"part": taken.part, "layer": taken.group, "channels": list(taken.channels),
            "reason": taken.reason}  # fmt: skip


# ---- text ----


def _text(description: Description) -> list[str]:
    lines = [description["file"]]
    for number, part in enumerate(description["parts"]):
        lines += _part_text(number, part, several=len(description["parts"]) > 1)
    return [*lines, "  taken for", *_indented(_taken_rows(description))]


def _part_text(number: int, part: Description, *, several: bool) -> list[str]:
    x0, y0, x1, y1 = part["data_window"]
    title = [f"part {number}: {part['name']}"] if several else []
    size = f"{x1 - x0 + 1}x{y1 - y0 + 1}"
    lines = ["  " + ", ".join([*title, size, part["type"], part["compression"], *_windows(part)])]
    layers = [(layer["name"] or "(no layer)", _channels_text(layer["channels"])) for layer in part["layers"]]
    attributes = [(name, _shortened(value)) for name, value in part["attributes"].items()]
    return [*lines, *_indented(layers), *(["  attributes", *_indented(attributes)] if attributes else [])]


def _windows(part: Description) -> list[str]:
    if part["data_window"] == part["display_window"] == [0, 0, *part["data_window"][2:]]:
        return []
    return [f"{kind} window {part[f'{kind}_window']}" for kind in ("data", "display")]


def _channels_text(channels: Mapping[str, str]) -> str:
    """`R G B half, A float`: channels of one type together."""
    by_kind: dict[str, list[str]] = {}
    for name in _in_order(channels):
        by_kind.setdefault(channels[name], []).append(name)
    return ", ".join(f"{' '.join(names)} {kind}" for kind, names in by_kind.items())


def _in_order(names: Iterable[str]) -> list[str]:
    """R before G before B, as people say it; files have them sorted."""
    return sorted(names, key=lambda name: ("RGBAXYZW".find(name.upper()) % 99, name))


def _taken_rows(description: Description) -> list[tuple[str, str]]:
    if problem := description.get("problem"):
        return [("nothing", problem)]
    from mcdenoise.frame import PLANES

    several = len(description["parts"]) > 1
    planes = description["planes"]
    taken = [*planes.items(), *((name, None) for name in PLANES if name not in planes)]
    taken += [("alpha", description["alpha"])] if "alpha" in description else []
    taken += [("light", light) for light in description.get("light", ())]
    none = "none  - no layer of a name that is known; --{} LAYER takes one"
    rows = [(name, _taken_text(one, several=several) if one else none.format(name)) for name, one in taken]
    rows += [("left as it is", f"{other}  - another view, layer or part") for other in description["others"]]
    return rows + [("left as it is", f"{name}  - no light by its name; --aovs {name} takes it along")
                   for name in description.get("left", ())]  # fmt: skip


def _taken_text(plane: Description, *, several: bool) -> str:
    """`diffuse  R G B  - V-Ray: 'diffuse'; over 1 in 2 % of pixels: clipped`."""
    lasts = " ".join(channel.rpartition(".")[2] for channel in plane["channels"])
    layer = plane["layer"] or (f"(part {plane['part']})" if several else "(no layer)")
    times = f", once multiplied by {plane['times']}" if "times" in plane else ""
    stored = f"; {plane['stored']}" if "stored" in plane else ""
    return f"{layer}  {lasts}  - {plane['reason']}{times}{stored}"


def _indented(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"    {name:<{width}}  {text}" for name, text in rows]


def _shortened(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"
