"""Channel names -> planes: which channels of a file are color, albedo, normal and depth, and why.

A *group* is what stands before a channel's last dot: `ViewLayer.Combined` in `ViewLayer.Combined.R`, and
nothing in `R`. `names` says what renderers call them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from mcdenoise.errors import FrameError
from mcdenoise.frame import GUIDES, PLANES
from mcdenoise.names import RENDERERS, Renderer

# How we write a plane ourselves, and what any renderer may write to make a pair for us.
OWN_CHANNELS = {
    "color": ("R", "G", "B"),
    "albedo": ("albedo.R", "albedo.G", "albedo.B"),
    "normal": ("normal.X", "normal.Y", "normal.Z"),
    "depth": ("depth.Z",),
}

# The channels that make up a plane within a group, the likeliest first. Mitsuba 3 calls depth `dd.T`, and
# called it `dd.Y` before.
_SUFFIXES: Mapping[str, tuple[Sequence[str], ...]] = {
    "color": ("RGB", "rgb", ("red", "green", "blue")),
    "albedo": ("RGB", "rgb", "XYZ"),
    "normal": ("XYZ", "xyz", "RGB", "rgb"),
    "depth": ("Z", "z", "T", "Y", "V", "R", "r"),
}


# Groups that say by their last word what they are, whoever wrote them: taken as a guess.
_MEANING = {
    "albedo": r"alb(edo)?|(diff(use)?|base|surface)[_ ]?(col(ou?r)?|filter|albedo|reflectance)",
    "normal": r"n|nn|nrm|nor|norm|((world|shading|bump|smooth|camera)[_ ]?)?normals?([_ ]?(world|pass))?",
    "depth": r"z|z?[_\- ]?depth|dist(ance)?",
}
# Data that is no light: never filtered, whatever is asked for.
_DATA = re.compile(
    r".*(crypto|depth|normal|position|motion|vector|velocity|albedo|variance|roughness|sample|debug|mist|index)"
    r".*|.*(_id|_mse|_var| id|col|color|filter|uv)|z|n|nn|ns|p|pz|st|id|ao|.*occlusion|[a-z]*ids?|object.*"
    r"|material.*|noisy( image)?|.*combined",
    re.IGNORECASE,
)
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
    is_guess: bool = False

    @property
    def label(self) -> str:
        """What people call it: its layer, or its channels where it has none."""
        return self.group or "".join(self.channels)


@dataclass(frozen=True)
class Light:
    """A part of the color's light, and what it is multiplied by to be one."""

    taken: Taken
    factor: Taken | None = None


@dataclass(frozen=True)
class Layout:
    """What was found in a file: the channels of each plane, other layers or views with a color, the parts of
    the color's light, its alpha, and what is left that may be light and isn't by its name."""

    planes: Mapping[str, Taken]
    others: tuple[str, ...] = ()
    lights: tuple[Light, ...] = ()
    alpha: Taken | None = None
    left: tuple[str, ...] = ()


class _Found(NamedTuple):
    """A layout by one renderer's names, and what stands before and after them: a layer and a view."""

    renderer: Renderer
    scope: tuple[str, str]
    layout: Layout


# group in lower case -> (part index, group as written, its channels by last name)
_Groups = Mapping[str, tuple[int, str, Mapping[str, str]]]


def find(
    path: Path,
    parts: Sequence[tuple[str, Sequence[str]]],
    named: Mapping[str, str] | None = None,
    aovs: str = "auto",
) -> Layout:
    """Choose the planes of a file, given each part's name and channel names; `path` is for messages.

    `named` gives planes by layer, `none` leaves one out; `aovs` is auto, all, none, or names with commas.

    Raises:
        FrameError: there is no R, G, B to denoise, or no layer of a name that was given.
    """
    groups, doubles = _groups(parts)
    given = {
        plane: layer(path, parts, plane, name) for plane, name in (named or {}).items() if name != "none"
    }
    found = [one for renderer in RENDERERS for one in _by_renderer(renderer, groups)]
    found = found or [_Found(RENDERERS[0], ("", ""), only) for only in _the_only_color(groups)]
    if "color" in given:
        found = _of_color(given["color"], groups)
    if not found:
        names = [name for _, channels in parts for name in channels]
        raise FrameError(f"{path}: no R, G, B to denoise; it has: {_shortened(names)}")
    best = max(found, key=lambda one: (len(one.layout.planes), _known_lights(one, groups)))
    planes = {**dict(_guesses(best, groups)), **best.layout.planes, **given}
    left_out = {plane for plane, name in (named or {}).items() if name == "none"}
    planes = {plane: planes[plane] for plane in PLANES if plane in planes and plane not in left_out}
    color = planes["color"]
    others = best.layout.others + tuple(part for group, part in doubles if group == color.group.lower())
    if aovs == "none":
        return Layout(planes, others)
    lights = tuple(_lights(path, best, groups, planes, aovs))
    told = {light.taken.group for light in lights} | {*others}
    left = tuple(taken.group for taken in _free(groups, planes).values() if taken.group not in told)
    return Layout(planes, others, lights, _alpha(color, groups), left)


def layer(path: Path, parts: Sequence[tuple[str, Sequence[str]]], plane: str, name: str) -> Taken:
    """The channels of the layer `name` as `plane`.

    Raises:
        FrameError: there is none, or it hasn't the channels.
    """
    groups, _ = _groups(parts)
    wanted = "" if name.lower() in ("rgb", "rgba") and name.lower() not in groups else name.lower()
    if wanted not in groups:
        raise FrameError(f"{path}: no layer {name!r}; it has: {_shortened(_labels(groups))}")
    if taken := _channels_of(plane, wanted, groups, "as asked for"):
        return taken
    has = ", ".join(groups[wanted][2])
    raise FrameError(f"{path}: layer {name!r} can't be {plane}; it has the channels: {has}")


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


def _by_renderer(renderer: Renderer, groups: _Groups) -> Iterator[_Found]:
    """One layout for each layer and view in which this renderer's color is found."""
    if renderer.signs and not any(re.fullmatch(renderer.signs, group) for group in groups):
        return
    scopes = list(dict.fromkeys(_scopes(renderer, groups)))
    for scope in scopes:
        planes = {}
        for plane in PLANES:
            if taken := _take(plane, renderer, scope, groups):
                planes[plane] = taken
        if "color" in planes:
            others = [f"{before}{after}".strip(".") for before, after in scopes if (before, after) != scope]
            yield _Found(
                renderer, scope, Layout(planes, tuple(others or (view for view in _VIEWS if view in groups)))
            )


def _of_color(color: Taken, groups: _Groups) -> list[_Found]:
    """The guides that belong to a color which was named: those of its own layer and view, if it has any."""
    found = []
    for renderer in RENDERERS:
        for scope in dict.fromkeys(_scopes(renderer, groups)):
            if _inner(color.group.lower(), scope) is not None:
                taken = {plane: _take(plane, renderer, scope, groups) for plane in GUIDES}
                planes = {plane: one for plane, one in taken.items() if one}
                found.append(_Found(renderer, scope, Layout({"color": color, **planes})))
    return found


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
        group = _outer(name, scope)
        if taken := _channels_of(plane, group, groups, _reason(renderer.name, name, wanted)):
            return taken
    return None


def _channels_of(plane: str, name: str, groups: _Groups, reason: str) -> Taken | None:
    """A group's channels as `plane`; without a layer, only names that can't be another thing's."""
    part, group, channels = groups.get(name, (0, "", {}))
    by_case = {**{last.lower(): channel for last, channel in channels.items()}, **channels}
    for suffixes in _SUFFIXES[plane] if name else _SUFFIXES[plane][:2]:
        if all(suffix in by_case for suffix in suffixes):
            return Taken(part, tuple(by_case[suffix] for suffix in suffixes), group, reason)
    return None


def _guesses(found: _Found, groups: _Groups) -> Iterator[tuple[str, Taken]]:
    """Guides that no table names, by what their layers' names mean; the shortest name of several."""
    for plane, pattern in _MEANING.items():
        for name in sorted(groups, key=len) if plane not in found.layout.planes else ():
            inner = (_inner(name, found.scope) or "").rpartition(".")[2]
            taken = _channels_of(plane, name, groups, f"a guess: the name sounds like {plane}")
            if taken and re.fullmatch(pattern, inner):
                yield plane, replace(taken, is_guess=True)
                break


# ---- parts of the light, alpha ----


def _alpha(color: Taken, groups: _Groups) -> Taken | None:
    part, group, channels = groups.get(color.group.lower(), (0, "", {}))
    for last in ("A", "a", "alpha"):
        if last in channels:
            return Taken(part, (channels[last],), group, "the color's alpha")
    return None


def _lights(
    path: Path, found: _Found, groups: _Groups, planes: Mapping[str, Taken], aovs: str
) -> Iterator[Light]:
    """The parts of the light that are asked for; data is never one of them.

    Raises:
        FrameError: a layer that is named isn't there, or is no light.
    """
    free = _free(groups, planes)
    wanted = _wanted(path, groups, free, aovs)
    for name, taken in free.items():
        inner = _inner(name, found.scope) or ""
        pairs = [re.sub(p, f, inner) for p, f in found.renderer.products if re.fullmatch(p, inner)]
        if name in wanted or (aovs == "auto" and (pairs or _is_light(found.renderer, inner))):
            factors = [_channels_of("color", _outer(other, found.scope), groups, "") for other in pairs]
            if all(factors):
                why = "as asked for" if name in wanted else f"{found.renderer.name}: part of the light"
                yield Light(replace(taken, reason=why), *factors)


def _free(groups: _Groups, planes: Mapping[str, Taken]) -> dict[str, Taken]:
    """The other layers that may be light."""
    used = {taken.group.lower() for taken in planes.values()}
    return {name: taken for name in groups if name and name not in used and not _is_data(name)
            if (taken := _channels_of("color", name, groups, ""))}  # fmt: skip


def _wanted(path: Path, groups: _Groups, free: Mapping[str, Taken], aovs: str) -> set[str]:
    if aovs in ("auto", "none", "all"):
        return set(free) if aovs == "all" else set()
    names = {name.strip().lower() for name in aovs.split(",")}
    if missing := names - groups.keys():
        raise FrameError(f"{path}: no layer {min(missing)!r}; it has: {_shortened(_labels(groups))}")
    if data := names - free.keys():
        raise FrameError(f"{path}: layer {min(data)!r} is data or a guide, not light; leave it out of --aovs")
    return names


def _is_light(renderer: Renderer, name: str) -> bool:
    return any(re.fullmatch(light, name, re.IGNORECASE) for light in renderer.lights)


def _known_lights(found: _Found, groups: _Groups) -> int:
    """How many groups are parts of the light by this renderer's names."""
    renderer, used = found.renderer, {taken.group.lower() for taken in found.layout.planes.values()}
    names = [_inner(name, found.scope) or "" for name in groups if name not in used]
    products = [name for name in names if any(re.fullmatch(p, name) for p, _ in renderer.products)]
    return len(products) + sum(_is_light(renderer, name) for name in names)


def _inner(name: str, scope: tuple[str, str]) -> str | None:
    """A group's name within its layer and view; None if it is of another."""
    before, after = scope
    inside = name.startswith(before) and name.endswith(after)
    return name[len(before) : len(name) - len(after)] if inside else None


def _outer(name: str, scope: tuple[str, str]) -> str:
    return f"{scope[0]}{name}{scope[1]}".lower()


def _is_data(name: str) -> bool:
    return any(_DATA.fullmatch(word) for word in (name, name.rpartition(".")[2]))


def _labels(groups: _Groups) -> list[str]:
    return [group or "RGB" for _, group, _ in groups.values()]


# ---- words ----


def _reason(renderer: str, name: str, wanted: Sequence[str]) -> str:
    """`Cycles: 'Combined' (there is no 'Noisy Image')`."""
    missed = [f"'{group}'" for group in wanted[: wanted.index(name)] if group]
    why = f" (there is no {', no '.join(missed)})" if name and missed else ""
    return f"{renderer}: " + (f"'{name}'" if name else "channels without a layer") + why


def _the_only_color(groups: _Groups) -> Iterator[Layout]:
    """A layer of any name that is the only one with R, G, B."""
    colors = {g: v for g, v in groups.items() if {"R", "G", "B"} <= v[2].keys() and g not in _GUIDE_GROUPS}
    for part, group, channels in list(colors.values()) if len(colors) == 1 else []:
        reason = "the only layer with R, G, B"
        yield Layout({"color": Taken(part, tuple(channels[c] for c in "RGB"), group, reason)})


def _shortened(names: Sequence[str], most: int = 24) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "no channels") + more
