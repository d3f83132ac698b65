"""Channel names -> planes: which channels of a file are color, albedo, normal and depth, and why.

A *group* is what stands before a channel's last dot: `ViewLayer.Combined` in `ViewLayer.Combined.R`, and
nothing in `R`. A renderer is one entry in `RENDERERS`; nothing else knows any renderer's names.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcdenoise.errors import FrameError
from mcdenoise.frame import PLANES

# How we write a plane ourselves, and what any renderer may write to make a pair for us.
OWN_CHANNELS = {
    "color": ("R", "G", "B"),
    "albedo": ("albedo.R", "albedo.G", "albedo.B"),
    "normal": ("normal.X", "normal.Y", "normal.Z"),
    "depth": ("depth.Z",),
}

# The channels that make up a plane within a group, the likeliest first. Mitsuba 3 calls depth `dd.T`, and
# called it `dd.Y` before.
_SUFFIXES = {
    "color": ("RGB", "rgb"),
    "albedo": ("RGB", "rgb"),
    "normal": ("XYZ", "xyz", "RGB"),
    "depth": ("Z", "z", "T", "Y", "V", "R"),
}


@dataclass(frozen=True)
class Renderer:
    """The groups in which a renderer writes each plane, the best first, compared without case.

    `layered` names are parts of a longer group: `Combined` is `LAYER.Combined`, or `LAYER.Combined.VIEW` in
    stereo files, and the guides are sought in the same layer and view.
    """

    name: str
    color: tuple[str, ...]
    albedo: tuple[str, ...] = ()
    normal: tuple[str, ...] = ()
    depth: tuple[str, ...] = ()
    layered: bool = False

    def groups(self, plane: str) -> tuple[str, ...]:
        """The names of `plane`."""
        names: tuple[str, ...] = getattr(self, plane)
        return names


# Of the entries that find color, the one that finds most planes is taken; the upper one of equals.
RENDERERS = (
    # Ours, multi-part files of compositing programs, and whoever else calls a layer what it is.
    Renderer("common names", ("", "rgba", "rgb", "beauty", "color", "combined"), ("albedo", "diffuse_albedo"),
             ("normal", "normals", "N"), ("depth", "Z", "")),
    # Blender 4.2 to 5.2: with denoising on, Combined is OIDN's output already, and Noisy Image the input.
    Renderer("Cycles", ("Noisy Image", "Combined"), ("Denoising Albedo",), ("Denoising Normal",),
             ("Denoising Depth",), layered=True),
    # Mitsuba 3 lets the user name AOVs: these are the names of its documentation and examples, and ours.
    Renderer("Mitsuba", ("", "<image>", "image"), ("albedo", "alb"), ("normal", "nn", "sh_normal", "sn"),
             ("depth", "dd")),
    Renderer("Arnold", ("", "RGBA"), ("diffuse_albedo", "albedo"), ("N",), ("Z", "")),
)  # fmt: skip
_VIEWS = ("left", "right")  # OpenEXR's multi-view files: the first view's channels have no prefix
_GUIDE_GROUPS = {
    g.lower() for r in RENDERERS for plane in PLANES if plane != "color" for g in r.groups(plane)
}


@dataclass(frozen=True)
class Taken:
    """The channels that make up one plane: the part of the file, their names in order, and why these."""

    part: int
    channels: tuple[str, ...]
    group: str
    reason: str


@dataclass(frozen=True)
class Layout:
    """What was found in a file: the channels of each plane, and other layers or views with a color."""

    planes: Mapping[str, Taken]
    others: tuple[str, ...] = ()


# group in lower case -> (part index, group as written, its channels by last name)
_Groups = Mapping[str, tuple[int, str, Mapping[str, str]]]


def find(path: Path, parts: Sequence[tuple[str, Sequence[str]]]) -> Layout:
    """Choose the planes of a file, given each part's name and channel names; `path` is for messages.

    Raises:
        FrameError: there is no R, G, B to denoise.
    """
    groups, doubles = _groups(parts)
    found = [layout for renderer in RENDERERS for layout in _by_renderer(renderer, groups)]
    found = found or list(_the_only_color(groups))
    if not found:
        names = [name for _, channels in parts for name in channels]
        raise FrameError(f"{path}: no R, G, B to denoise; it has: {_shortened(names)}")
    best = max(found, key=lambda layout: len(layout.planes))
    color = best.planes["color"].group.lower()
    return Layout(best.planes, best.others + tuple(part for group, part in doubles if group == color))


def _groups(parts: Sequence[tuple[str, Sequence[str]]]) -> tuple[_Groups, list[tuple[str, str]]]:
    """The channels by group, and the (group, part name) of those that an earlier part has already."""
    groups: dict[str, tuple[int, str, dict[str, str]]] = {}
    doubles = []
    for index, (part, channels) in enumerate(parts):
        bare = _bare_group(index, part, groups)
        mine: dict[str, tuple[int, str, dict[str, str]]] = {}
        for channel in channels:
            group, _, last = channel.rpartition(".")
            group = group or bare
            mine.setdefault(group.lower(), (index, group, {}))[2][last] = channel
        doubles += [(group, part) for group in mine if group in groups]
        groups = {**mine, **groups}
    return groups, doubles


def _bare_group(index: int, part: str, groups: Mapping[str, object]) -> str:
    """The group of channels without a dot: none, or the part's name where that says more (Nuke's way)."""
    return part if part and (part.lower() in _GUIDE_GROUPS or (index > 0 and "" in groups)) else ""


def _by_renderer(renderer: Renderer, groups: _Groups) -> Iterator[Layout]:
    """One layout for each layer and view in which this renderer's color is found."""
    scopes = list(dict.fromkeys(_scopes(renderer, groups)))
    for scope in scopes:
        planes = {}
        for plane in PLANES:
            if taken := _take(plane, renderer, scope, groups):
                planes[plane] = taken
        if "color" in planes:
            others = [f"{before}{after}".strip(".") for before, after in scopes if (before, after) != scope]
            yield Layout(planes, tuple(others or (view for view in _VIEWS if view in groups)))


def _scopes(renderer: Renderer, groups: _Groups) -> Iterator[tuple[str, str]]:
    """What stands before and after this renderer's names: its layers and views."""
    if not renderer.layered:
        yield "", ""
        return
    names = "|".join(re.escape(name.lower()) for name in renderer.color)
    for group in groups:
        # `Composite` is what Blender's compositor made of the layers: no render.
        if (match := re.fullmatch(rf"(.+\.)({names})(\.[^.]+)?", group)) and match[1] != "composite.":
            yield match[1], match[3] or ""


def _take(plane: str, renderer: Renderer, scope: tuple[str, str], groups: _Groups) -> Taken | None:
    wanted = renderer.groups(plane)
    for name in wanted:
        part, group, channels = groups.get(f"{scope[0]}{name.lower()}{scope[1]}", (0, "", {}))
        for suffixes in _SUFFIXES[plane] if name else _SUFFIXES[plane][:2]:
            if all(suffix in channels for suffix in suffixes):
                reason = _reason(renderer.name, name, wanted)
                return Taken(part, tuple(channels[suffix] for suffix in suffixes), group, reason)
    return None


def _reason(renderer: str, name: str, wanted: Sequence[str]) -> str:
    """`Cycles: 'Combined' (there is no 'Noisy Image')`."""
    quoted = [f"'{group}'" if group else "channels without a layer" for group in (*wanted, name)]
    missed = quoted[: quoted.index(quoted[-1])]
    return f"{renderer}: {quoted[-1]}" + (f" (there is no {', no '.join(missed)})" if missed else "")


def _the_only_color(groups: _Groups) -> Iterator[Layout]:
    """A layer of any name that is the only one with R, G, B."""
    colors = {g: v for g, v in groups.items() if {"R", "G", "B"} <= v[2].keys() and g not in _GUIDE_GROUPS}
    for part, group, channels in list(colors.values()) if len(colors) == 1 else []:
        reason = "the only layer with R, G, B"
        yield Layout({"color": Taken(part, tuple(channels[c] for c in "RGB"), group, reason)})


def _shortened(names: Sequence[str], most: int = 24) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "no channels") + more
