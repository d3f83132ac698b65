"""One web page for pictures of a frame: two of them with a slider between, in any exposure and zoom.

`page.html` and its script `page.js` are all of it and load nothing from elsewhere. `write` puts the pictures
into it; `mcdenoise demo` serves it empty and hands over what `described` says.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mcdenoise import files
from mcdenoise.errors import UsageError
from mcdenoise.metrics import Image, exposure_for

Pixels = Float[np.ndarray, "h w *c"]

REFERENCE = "reference"
# The largest float16.
MOST = 65504.0


@dataclass(frozen=True)
class Comparison:
    """Pictures of one frame, scene-linear and of one size, by the name that each has on the page.

    Attributes:
        shown: the names left and right of the bar at first.
        errors: what the page can't tell from a picture named `REFERENCE`: the expected error per pixel (h w).
        table: texts, the first row a heading; the first cell of a row names a picture.
        remark: a line below the title.
    """

    title: str
    images: Mapping[str, Image]
    shown: tuple[str, str]
    errors: Mapping[str, Pixels] = field(default_factory=dict)
    table: Sequence[Sequence[str]] = ()
    remark: str = ""


def described(comparison: Comparison, address: Callable[[bytes], str]) -> dict[str, Any]:
    """What the page's script reads. `address` says under which URL it finds pixels: float16, row 0 on top,
    colors times `scale`, which brings the reference, or the picture on the right, to middle grey."""
    images = comparison.images
    settled = np.nan_to_num(images.get(REFERENCE, images[comparison.shown[1]]), posinf=0, neginf=0)
    scale = exposure_for(settled)
    pictures = [
        {
            "name": name,
            "pixels": address(_halves(image, scale)),
            **({"expected": address(_halves(comparison.errors[name]))} if name in comparison.errors else {}),
        }
        for name, image in images.items()
    ]
    height, width = settled.shape[:2]
    return {"title": comparison.title, "remark": comparison.remark, "size": [width, height], "scale": scale,
            "reference": REFERENCE, "shown": comparison.shown, "pictures": pictures,
            "table": comparison.table}  # fmt: skip


def write(path: Path, comparison: Comparison) -> None:
    """The page as one file with all pictures in it, whole or not at all.

    Raises:
        UsageError: nothing can be written there.
    """
    text = html(described(comparison, _data_url))
    try:
        with files.whole(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror}; choose another") from error


def html(content: Mapping[str, Any]) -> str:
    """The page with what its script reads."""
    page, script = (_packaged(name) for name in ("page.html", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = page.replace("{{digest}}", f"sha256-{digest}").replace("{{script}}", script)
    # No name of a file can end the script that it stands in.
    return page.replace("{{content}}", json.dumps(content, allow_nan=False).replace("<", "\\u003c"))


def _packaged(name: str) -> str:
    return resources.files("mcdenoise").joinpath(name).read_text(encoding="utf-8")


def _halves(pixels: Pixels, scale: float = 1.0) -> bytes:
    with np.errstate(over="ignore"):  # what is infinite then is as bright as can be
        return np.clip(pixels * np.float32(scale), -MOST, MOST).astype("<f2").tobytes()


def _data_url(pixels: bytes) -> str:
    return f"data:application/octet-stream;base64,{base64.b64encode(pixels).decode('ascii')}"
