"""The settings of rendering."""

from dataclasses import dataclass

from mcdenoise.config import setting
from mcdenoise.errors import UsageError
from renderers import backends
from renderers.backends._contract import GUIDES

# Those that some renderer has; not every renderer has each.
FILTERS = tuple(dict.fromkeys(name for backend in backends.every() for name in backend.FILTERS))
# Below this side in pixels there is nothing to learn from a picture.
SMALLEST = 8


@dataclass(frozen=True)
class RenderSettings:
    """All that decides what `render` writes."""

    spp: str = setting("8", "samples per pixel of each half; several (4,8,16): one is drawn per view",
                       metavar="N[,N...]")  # fmt: skip
    extra_spp: str = setting(
        "",
        "also two cleaner renders per view, c and d, of so many samples per pixel each: "
        "inputs with little noise, and targets that teach faster",
        metavar="N[,N...]",
    )
    clean_spp: int = setting(
        0, "also a nearly clean render of some views, NAME.clean.exr, of so many samples", metavar="N"
    )
    clean_share: float = setting(0.05, "the share of the views that get one, by chance", metavar="X")
    changed_share: float = setting(
        0.0,
        "the share of a Mitsuba scene's views that get other lights and materials, by chance; "
        "its first view never does",
        metavar="X",
    )
    views: int = setting(4, "cameras per scene; the first is the scene's own", metavar="N")
    first_view: int = setting(0, "number of the first view", metavar="N")
    size: str = setting("256x256", "width x height in pixels", metavar="WxH")
    seed: int = setting(1, "where chance starts: cameras, spp, filters and noise", metavar="N")
    camera_seed: int = setting(1, "where the cameras start, apart from the noise", metavar="N")
    filter: str = setting("box", f"pixel filter, or several: {', '.join(FILTERS)}", metavar="NAME[,NAME...]")
    guides: str = setting(
        GUIDES[0],
        "albedo and normal of what mirrors and glass show (followed), or of themselves, "
        "as Mitsuba's own AOVs have them (first); Cycles has its own way",
        choices=GUIDES,
    )
    procedural: int = setting(0, "render this many made-up scenes", metavar="N")
    first_scene: int = setting(0, "number of the first made-up scene", metavar="N")
    workers: int = setting(
        1,
        "processes on this machine, a scene each at a time; on a GPU they take turns on it and "
        "share its memory: a few, so that some compile while one renders",
        metavar="N",
    )
    cluster: str = setting(
        "",
        "a Dask cluster in place of them: tcp://HOST:8786, tls://HOST:8786 or scheduler.json; "
        "its machines see the scenes and PAIRS/ under the same names",
        metavar="ADDRESS",
    )
    environments: str = setting(
        "", "folder of .exr environment maps to light made-up scenes with", metavar="DIR"
    )

    def __post_init__(self) -> None:
        if self.clean_spp < 0 or not 0 <= self.clean_share <= 1:
            raise UsageError("render: --clean-spp can't be negative, --clean-share is from 0 to 1")
        if not 0 <= self.changed_share <= 1:
            raise UsageError(f"render: --changed-share {self.changed_share}: it is from 0 to 1")
        if self.workers < 1:
            raise UsageError(f"render: --workers {self.workers}: there must be at least 1")
        if self.views < 1:
            raise UsageError(f"render: --views {self.views}: there must be at least 1")
        for name in ("first_view", "seed", "camera_seed", "procedural", "first_scene"):
            if getattr(self, name) < 0:
                raise UsageError(f"render: --{name.replace('_', '-')} can't be negative")
        for name in self.filters:
            if name not in FILTERS:
                raise UsageError(f"render: no filter {name!r}; there is: {', '.join(FILTERS)}")
        for flag, counts in (("--spp", self.spps), ("--extra-spp", self.extra_spps)):
            if min(counts, default=1) < 1:
                asked = ",".join(map(str, counts))
                raise UsageError(f"render: {flag} {asked}: there must be at least 1 sample per pixel")
        if min(self.width_height) < SMALLEST:
            raise UsageError(f"render: --size {self.size} is too small; {SMALLEST}x{SMALLEST} is the least")

    @property
    def numbers(self) -> range:
        """The numbers of the views."""
        return range(self.first_view, self.first_view + self.views)

    @property
    def spps(self) -> tuple[int, ...]:
        """The samples per pixel to draw from."""
        return _counts("--spp", self.spp)

    @property
    def extra_spps(self) -> tuple[int, ...]:
        """The samples per pixel of cleaner renders to draw from; none where none are asked for."""
        return _counts("--extra-spp", self.extra_spp) if self.extra_spp else ()

    @property
    def filters(self) -> tuple[str, ...]:
        """The pixel filters to draw from."""
        return tuple(self.filter.split(","))

    @property
    def width_height(self) -> tuple[int, int]:
        """The size in pixels."""
        try:
            width, height = (int(part) for part in self.size.lower().split("x"))
        except ValueError:
            raise UsageError(f"render: --size {self.size!r}: write it as 256x256") from None
        return width, height


def _counts(flag: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"render: {flag} {text!r}: write it as 8, or 4,8,16") from None
