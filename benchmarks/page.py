"""The results of `benchmarks.quality` as a web page that needs no network: pictures to compare, zoomed."""

from collections.abc import Mapping
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image as Png

from benchmarks import report
from benchmarks.origin import Origin
from benchmarks.report import Result
from mcdenoise import metrics
from mcdenoise.metrics import Image

# Columns, and how many digits each has after the point.
METRICS = {"relmse": 5, "smape": 4, "psnr": 2, "ssim": 4, "energy": 4}


def save_pictures(folder: Path, name: str, images: Mapping[str, Image], *, reference: Image) -> None:
    """A PNG of each image and of the reference under `folder/pictures`, all with the reference's exposure."""
    exposure = metrics.exposure_for(reference)
    for method, image in {**images, "reference": reference}.items():
        display = metrics.tone_map(np.nan_to_num(image, nan=0.0), exposure)
        path = folder / _picture(name, method)
        path.parent.mkdir(parents=True, exist_ok=True)
        Png.fromarray((display * 255 + 0.5).astype(np.uint8)).save(path)


def write(folder: Path, results: list[Result], where: Origin) -> None:
    """Write quality.html beside the pictures that `save_pictures` wrote for each result."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    template = jinja2.Environment(loader=loader, autoescape=True).get_template("page.html")
    text = template.render(
        origin=f"{where.model}, {where.date}, {where.machine}",
        summary=report.summarize(results),
        frames=[_frame(folder, result) for result in results],
        number=lambda value: "-" if value is None else f"{value:.3f}",
    )
    (folder / "quality.html").write_text(text, encoding="utf-8")


def _frame(folder: Path, result: Result) -> dict[str, object]:
    name = result.case.name
    pictures = {method: _picture(name, method) for method in [*result.methods, "reference"]}
    with Png.open(folder / pictures["reference"]) as reference:
        width = reference.width
    rows = [
        [method, *(f"{getattr(scored.scores, metric):.{digits}f}" for metric, digits in METRICS.items()),
         f"{scored.flip:.4f}"]
        for method, scored in result.methods.items()
    ]  # fmt: skip
    return {"name": name, "best_oidn": result.best_oidn, "pictures": pictures, "width": width,
            "metrics": [*METRICS, "FLIP"], "rows": rows}  # fmt: skip


def _picture(name: str, method: str) -> str:
    return f"pictures/{name}/{method.replace(' ', '-')}.png"
