"""What renderers call their layers, one entry each in `RENDERERS`; nothing else knows their names."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Renderer:
    """The groups in which a renderer writes each plane, the best first, compared without case.

    `lights` are patterns of groups that are parts of the color's light; `products` are those that become such
    parts once multiplied by another group, in twos: pattern, and what takes its place for the factor's name.
    `layered` names are parts of a longer group: `Combined` is `LAYER.Combined`, or `LAYER.Combined.VIEW` in
    stereo files, and the others are sought in the same layer and view. Where names mean something else to
    other renderers, `signs` is a pattern of groups, in lower case, of which one must be there.
    """

    name: str
    color: tuple[str, ...]
    albedo: tuple[str, ...] = ()
    normal: tuple[str, ...] = ()
    depth: tuple[str, ...] = ()
    lights: tuple[str, ...] = ()
    products: tuple[tuple[str, str], ...] = ()
    layered: bool = False
    signs: str = ""

    def groups(self, plane: str) -> tuple[str, ...]:
        """The names of `plane`."""
        names: tuple[str, ...] = getattr(self, plane)
        return names


_LOBES = (
    "(diffuse|specular|coat|sheen|transmission|sss|subsurface|volume|emission|emissive|background|reflection|"
    "refraction)"
)
_LIGHTS = (
    r"(light_?group|light_?select|lg|light)[_ .\-]?.+",
    rf"{_LOBES}(_(direct|indirect))?",
    "(in)?direct",
)
_LUXCORE_NORMALS = ("AVG_SHADING_NORMAL", "SHADING_NORMAL", "GEOMETRY_NORMAL")
_LUXCORE_LIGHTS = (
    "RADIANCE_GROUP.*",
    "EMISSION",
    "(IN)?DIRECT_(DIFFUSE|GLOSSY|SPECULAR)(_REFLECT|_TRANSMIT)?",
)
# Of the entries that find color, the one that finds most planes is taken, of equals the one that knows most
# parts of the light, of those the upper one.
RENDERERS = (
    # Ours, multi-part files of compositing programs, and whoever else calls a layer what it is.
    Renderer("common names", ("", "rgba", "rgb", "beauty", "color", "combined"),
             ("denoise_albedo", "albedo", "diffuse_albedo"), ("normal", "normals", "N"), ("depth", "Z", ""),
             _LIGHTS),
    # Blender 4.2 to 5.2: with denoising on, Combined is OIDN's output already, and Noisy Image the input.
    # Direct and indirect light is written without the surface's color; 5.0 spells names out.
    Renderer("Cycles", ("Noisy Image", "Combined"), ("Denoising Albedo",), ("Denoising Normal",),
             ("Denoising Depth", "Depth"),
             ("Combined_.+", "emit|emission|env|environment", "volume(dir|ind| direct| indirect)"),
             (("(diff|gloss|trans)(dir|ind)", r"\1Col"),
              ("(diffuse|glossy|transmission) (direct|indirect)", r"\1 Color")), layered=True),
    # Mitsuba 3 lets the user name AOVs: these are the names of its documentation and examples, and ours.
    Renderer("Mitsuba", ("", "<image>", "image"), ("albedo", "alb"), ("normal", "nn", "sh_normal", "sn"),
             ("depth", "dd"), _LIGHTS),
    # Arnold's user guide, "Light Path Expression AOVs"; files of its own tests.
    Renderer("Arnold", ("", "RGBA"), ("denoise_albedo", "diffuse_albedo", "albedo"), ("N",), ("Z", ""),
             ("RGBA_.+", *_LIGHTS)),
    # Seen in a file of V-Ray for Maya 3.6; its `diffuse` is what others call albedo: `rawLight` times it is
    # `lighting`.
    Renderer("V-Ray", ("", "rgb_color", "effectsResult"),
             ("denoiser_albedo", "diffuseFilter", "VRayDiffuseFilter", "diffuse"),
             ("normals", "VRayNormals", "bumpNormals", "VRayBumpNormals"), ("zDepth", "VRayZDepth", ""),
             ("(VRay)?(lighting|GI|globalIllumination|reflect(ion)?|refract(ion)?|specular|SSS2?)",
              "(VRay)?(selfIllum(ination)?|background|caustics|atmosphere|lightSelect.*)"),
             (("raw(light|gi)", "diffuse"), ("raw(reflection|refraction)", r"\1Filter")),
             signs="vray.*|raw(light|gi|reflection|refraction)|(reflection|refraction)filter|lightselect.*"
                   "|selfillum(ination)?|reflect|refract|lighting|denoiser_albedo|rgb_color|effectsresult"),
    # From here on no file was at hand: LuxCore, Octane in Blender and PBRT-4 by their code, Karma and
    # Redshift by tools that take their files apart, Octane by its documentation, RenderMan from memory.
    Renderer("RenderMan", ("", "Ci", "beauty"), ("albedo",), ("normal", "Nn", "N", "__Nworld"),
             ("z", "zfiltered", "__depth", ""),
             (r"(direct|indirect)(diffuse|specular)(lobe)?", "subsurface(lobe)?|emissive|transmissive(lobe)?",
              *_LIGHTS)),
    Renderer("Redshift", ("", "beauty", "main"), ("DiffuseFilter", "DiffuseFilterRaw"),
             ("BumpNormals", "N", "Normals"), ("Z", "Depth", ""),
             ("DiffuseLighting|SpecularLighting|GI|GlobalIllumination|Reflections|Refractions|SSS|Emission",
              "SubSurfaceScatter|Volume(Lighting|FogEmission)|Caustics|Background|Beauty_.+", *_LIGHTS),
             (("(diffuselighting|gi|globalillumination|sss|subsurfacescatter(ing)?)raw", "DiffuseFilter"),
              ("(reflections|refractions)raw", r"\1Filter"))),
    Renderer("Karma", ("", "C", "Cf", "beauty"), ("albedo", "basecolor"), ("N", "Nn", "hitN"),
             ("depth", "Pz", "dist", "hitPz"),
             ("(direct|indirect|combined)(diffuse|glossyreflection|specular|emission|volume|sss|coat)(_.+)?",
              "(glossytransmission|visiblelights|sss|coat|C|beauty)(_.+)?", *_LIGHTS)),
    Renderer("LuxCore", ("", "RGB_IMAGEPIPELINE", "RGB"), ("ALBEDO",), _LUXCORE_NORMALS, ("DEPTH",),
             _LUXCORE_LIGHTS),
    Renderer("LuxCore in Blender", ("Combined",), ("ALBEDO",), _LUXCORE_NORMALS, ("DEPTH", "Depth"),
             _LUXCORE_LIGHTS, layered=True),
    # The depth is the position's z in the camera's space; elsewhere P is in the world's.
    Renderer("PBRT-4", ("",), ("Albedo",), ("Ns", "N"), ("P",), signs="relativevariance"),
    Renderer("Octane", ("", "Beauty", "Main", "Beauty pass"),
             ("Denoiser albedo", "Denoise Albedo", "Diffuse filter"),
             ("Denoiser normal", "Denoise Normal", "Shading normal", "Smooth normal"),
             ("Z-depth", "Zdepth", "Depth"),
             ("(diffuse|reflection|emitters|environment|refraction|transmission|SSS)( direct| indirect)?",
              r"(ambient |sun|sky)?light( pass)?.*", *_LIGHTS)),
    Renderer("Octane in Blender", ("Combined", "OctBeauty"), ("OctDiffFilter",),
             ("OctShadingNormal", "OctSmoothNormal", "OctGeoNormal"), ("OctZDepth",),
             ("Oct(Emitters|Env|Refract|Transm|SSS|Volume|VolEmission|(Diff|Reflect)(Dir|Indir)?)",
              r"Oct(AmbientLight|Sun_?light|Light)(Dir|Indir)?(Pass\d+|_Pass_\d+)?"), layered=True),
)  # fmt: skip
