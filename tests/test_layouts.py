"""layouts: channel names of the renderers that are read."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from mcdenoise import exr, layouts
from mcdenoise.errors import FrameError
from mcdenoise.frame import PLANES
from mcdenoise.layouts import OWN_CHANNELS, RENDERERS, Layout

PATH = Path("frame.exr")


def channels(*groups: str) -> list[str]:
    """`Combined:RGBA` becomes Combined.R, Combined.G ...; `:RGB` becomes R, G, B."""
    split = [group.rpartition(":") for group in groups]
    return sorted(f"{group}.{c}" if group else c for group, _, lasts in split for c in lasts)


def find(*groups: str) -> Layout:
    return layouts.find(PATH, [("", channels(*groups))])


def taken(layout: Layout) -> dict[str, str]:
    """Each plane's group and last names, as `channels` takes them."""
    lasts = {name: "".join(c.rpartition(".")[2] for c in t.channels) for name, t in layout.planes.items()}
    return {name: f"{t.group}:{lasts[name]}" for name, t in layout.planes.items()}


CYCLES = ("V.Denoising Albedo:RGB", "V.Denoising Normal:XYZ", "V.Denoising Depth:Z")
GUIDES_OF_CYCLES = dict(zip(("albedo", "normal", "depth"), CYCLES, strict=True))


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ((":RGB",), {"color": ":RGB"}),
        ((":rgb",), {"color": ":rgb"}),
        ((":RGBA", "albedo:RGB", "normal:XYZ", "depth:Z"),
         {"color": ":RGB", "albedo": "albedo:RGB", "normal": "normal:XYZ", "depth": "depth:Z"}),
        ((":RGB", "albedo:RGB", "nn:XYZ", "dd:T", "image:RGBA", "pos:XYZ"),
         {"color": ":RGB", "albedo": "albedo:RGB", "normal": "nn:XYZ", "depth": "dd:T"}),
        ((":RGB", "nn:XYZ", "dd:Y"), {"color": ":RGB", "normal": "nn:XYZ", "depth": "dd:Y"}),
        (("<image>:RGB", "nn:XYZ"), {"color": "<image>:RGB", "normal": "nn:XYZ"}),
        (("V.Combined:RGBA", *CYCLES), {"color": "V.Combined:RGB", **GUIDES_OF_CYCLES}),
        (("V.Combined:RGBA", "V.Noisy Image:RGBA", *CYCLES),
         {"color": "V.Noisy Image:RGB", **GUIDES_OF_CYCLES}),
        (("V.Combined:RGBA", "Composite.Combined:RGBA"), {"color": "V.Combined:RGB"}),
        (("A b.é.Combined:RGBA", "A b.é.Denoising Depth:Z"),
         {"color": "A b.é.Combined:RGB", "depth": "A b.é.Denoising Depth:Z"}),
        (("V.Combined.left:RGBA", "V.Combined.right:RGBA", "V.Denoising Depth.left:Z"),
         {"color": "V.Combined.left:RGB", "depth": "V.Denoising Depth.left:Z"}),
        ((":RGBA", "N:XYZ", ":Z", "diffuse_albedo:RGB"),
         {"color": ":RGB", "albedo": "diffuse_albedo:RGB", "normal": "N:XYZ", "depth": ":Z"}),
        ((":RGBA", "N:XYZ", "diffuse:RGB", "diffuse_albedo:RGB", "denoise_albedo:RGB"),
         {"color": ":RGB", "albedo": "denoise_albedo:RGB", "normal": "N:XYZ"}),
        ((":RGBA", "diffuse:RGB", "specular:RGB", "N:XYZ"), {"color": ":RGB", "normal": "N:XYZ"}),
        ((":RGBA", "diffuse:RGB", "lighting:RGB", "normals:RGB", "zDepth:R"),
         {"color": ":RGB", "albedo": "diffuse:RGB", "normal": "normals:RGB", "depth": "zDepth:R"}),
        ((":RGBA", "Albedo:RGB", "P:XYZ", "N:XYZ", "Ns:XYZ", "RelativeVariance:RGB"),
         {"color": ":RGB", "albedo": "Albedo:RGB", "normal": "Ns:XYZ", "depth": "P:Z"}),
        (("V.Combined:RGBA", "V.ALBEDO:RGB", "V.AVG_SHADING_NORMAL:XYZ", "V.DEPTH:Z"),
         {"color": "V.Combined:RGB", "albedo": "V.ALBEDO:RGB", "normal": "V.AVG_SHADING_NORMAL:XYZ",
          "depth": "V.DEPTH:Z"}),
        (("V.Combined:RGBA", "V.OctDiffFilter:RGBA", "V.OctShadingNormal:RGBA", "V.OctZDepth:RGBA"),
         {"color": "V.Combined:RGB", "albedo": "V.OctDiffFilter:RGB", "normal": "V.OctShadingNormal:RGB",
          "depth": "V.OctZDepth:R"}),
        (("Slot:RGBA",), {"color": "Slot:RGB"}),
    ],
)  # fmt: skip
def test_planes_are_found_by_the_names_of_each_renderer(
    groups: Sequence[str], expected: dict[str, str]
) -> None:
    assert taken(find(*groups)) == expected


@pytest.mark.parametrize(
    ("groups", "renderer", "expected"),
    [
        (("GI:RGB", "reflect:RGB", "rawLight:RGB", "diffuse:RGB", "SSS2:RGB", "crypto00:RGBA"), "V-Ray",
         {"GI": "", "reflect": "", "rawLight": "diffuse", "SSS2": ""}),
        (("DiffuseFilter:RGB", "DiffuseLightingRaw:RGB", "GIRaw:RGB", "ReflectionsRaw:RGB",
          "ReflectionsFilter:RGB", "SpecularLighting:RGB", "Shadows:RGB"), "Redshift",
         {"DiffuseLightingRaw": "DiffuseFilter", "GIRaw": "DiffuseFilter",
          "ReflectionsRaw": "ReflectionsFilter", "SpecularLighting": ""}),
        (("C_key:RGB", "combineddiffuse_key:RGB", "directdiffuseunshadowed:RGB", "glossytransmission:RGB",
          "albedo:RGB", "visiblelights:RGB"), "Karma",
         {"C_key": "", "combineddiffuse_key": "", "glossytransmission": "", "visiblelights": ""}),
        (("diffuse_direct:RGB", "RGBA_key:RGBA", "specular_albedo:RGB", "denoise_albedo:RGB"), "Arnold",
         {"diffuse_direct": "", "RGBA_key": ""}),
    ],
)  # fmt: skip
def test_parts_of_the_light_are_found_with_what_they_are_multiplied_by(
    groups: Sequence[str], renderer: str, expected: dict[str, str]
) -> None:
    layout = find(":RGBA", *groups)

    assert layout.planes["albedo" if "albedo" in layout.planes else "color"].reason.startswith(renderer)
    assert {
        light.taken.group: light.factor.group if light.factor else "" for light in layout.lights
    } == expected


def test_blenders_part_per_pass_is_found_over_its_parts() -> None:
    passes = ("V.Combined:RGBA", *CYCLES)
    layout = layouts.find(PATH, [(p.rpartition(":")[0], channels(p)) for p in passes])

    assert taken(layout) == {"color": "V.Combined:RGB", **GUIDES_OF_CYCLES}
    assert {name: t.part for name, t in layout.planes.items()} == {
        "color": 0,
        "albedo": 1,
        "normal": 2,
        "depth": 3,
    }


def test_parts_named_for_their_plane_are_told_apart() -> None:
    parts = [("albedo", channels(":RGB")), ("rgba", channels(":RGBA")), ("depth", ["Z"])]
    layout = layouts.find(PATH, parts)

    assert {name: t.part for name, t in layout.planes.items()} == {"color": 1, "albedo": 0, "depth": 2}


def test_guides_are_of_the_colors_own_layer_and_the_other_layer_is_named() -> None:
    layout = find("A.Combined:RGBA", "B.Combined:RGBA", "B.Denoising Depth:Z", "A.Denoising Normal:XYZ",
                  "B.Denoising Normal:XYZ")  # fmt: skip

    assert taken(layout) == {
        "color": "B.Combined:RGB",
        "normal": "B.Denoising Normal:XYZ",
        "depth": "B.Denoising Depth:Z",
    }
    assert layout.others == ("a",)


def test_second_view_in_a_part_of_its_own_is_named() -> None:
    view = channels("V.Combined:RGBA")
    layout = layouts.find(PATH, [("V.Combined-left", view), ("V.Combined-right", view)])

    assert layout.planes["color"].part == 0
    assert layout.others == ("V.Combined-right",)


def test_second_view_in_the_same_part_is_named() -> None:
    assert find(":RGB", "right:RGB").others == ("right",)


@pytest.mark.parametrize("groups", [(), (":Y",), (":RG",), ("albedo:RGB", "depth:Z"), ("a:RGB", "b:RGB")])
def test_file_without_color_is_refused_with_the_channels_it_has(groups: Sequence[str]) -> None:
    with pytest.raises(FrameError, match=r"^frame\.exr: no R, G, B to denoise; it has: ") as caught:
        find(*groups)

    assert all(channel in str(caught.value) for channel in channels(*groups))


def test_reason_says_what_was_missed() -> None:
    reason = find("V.Combined:RGBA").planes["color"].reason

    assert reason == "Cycles: 'Combined' (there is no 'Noisy Image')"


@pytest.mark.parametrize("renderer", RENDERERS, ids=lambda renderer: renderer.name)
def test_every_name_in_the_table_is_found(renderer: layouts.Renderer) -> None:
    prefix = "L." if renderer.layered else ""
    lasts = {"color": "RGB", "albedo": "RGB", "normal": "XYZ", "depth": "Z"}
    color = f"{prefix}{renderer.color[0]}:RGB"
    signs = {"V-Ray": ["VRayTotalLighting:RGB"], "PBRT-4": ["RelativeVariance:RGB"]}
    for plane in PLANES:
        for name in renderer.groups(plane):
            group = f"{prefix}{name}:{lasts[plane]}"
            groups = [group] if plane == "color" else [color, group]
            assert plane in find(*groups, *signs.get(renderer.name, [])).planes, group


def test_own_channels_are_found_as_what_they_were_written_as() -> None:
    names = [channel for plane in OWN_CHANNELS.values() for channel in plane]
    layout = layouts.find(PATH, [("", names)])

    assert {plane: t.channels for plane, t in layout.planes.items()} == OWN_CHANNELS


def test_position_in_what_arnold_wrote_is_no_depth(shared_assets: Path) -> None:
    layout = exr.read(shared_assets / "exr/arnold-usd/testsuite/test_1232/ref/reference.exr").layout()

    assert taken(layout) == {"color": ":RGB", "normal": "N:XYZ"}
    assert [light.taken.group for light in layout.lights] == ["diffuse", "direct", "specular"]


def test_what_v_ray_calls_diffuse_is_its_albedo(shared_assets: Path) -> None:
    """A real file without lamps: all light is black, the surfaces' color isn't."""
    folder = shared_assets / "exr/cryptomatte/sample_images"
    picture = exr.read(folder / "cornellBox_CryptoWildcard.0001.exr")
    layout = picture.layout()
    planes = exr.frame(picture, layout).planes

    assert taken(layout) == {"color": ":RGB", "albedo": "diffuse:RGB", "normal": "normals:XYZ"}
    assert {light.taken.group for light in layout.lights} == {
        "GI", "SSS", "lighting", "reflect", "refract", "selfIllum", "specular",
    }  # fmt: skip
    assert not planes["color"].any()
    assert planes["albedo"].mean() > 0.2


@pytest.mark.parametrize("version", ["4.2.23", "4.5.15", "5.0.1", "5.2.3"])
def test_all_planes_are_found_in_what_blender_wrote(shared_assets: Path, version: str) -> None:
    picture = exr.read(shared_assets / f"exr/cycles/suzanne_8spp_seed0_bpy{version}.exr")

    frame = exr.frame(picture, picture.layout())

    assert taken(picture.layout()) == {
        "color": "ViewLayer.Combined:RGB",
        "albedo": "ViewLayer.Denoising Albedo:RGB",
        "normal": "ViewLayer.Denoising Normal:XYZ",
        "depth": "ViewLayer.Denoising Depth:Z",
    }
    assert all(plane.any() for plane in frame.planes.values())
