"""After fine-tuning: how much of it is kept, and a page of what it does on frames that it didn't see."""

import html
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mcdenoise import checkpoint, dataset, engine, files, finetuning, metrics, trainer
from mcdenoise.finetuning import Settled
from mcdenoise.metrics import Image
from mcdenoise.networks._contract import Denoising
from mcdenoise.settings import TrainSettings
from mcdenoise.views import View

# Held-out frames that are shown.
SHOWN = 4


def settle(out: Path, settings: TrainSettings, pairs: Sequence[View]) -> str:
    """Keep as much of the tuned weights as doesn't forget; write `report.html` beside the log; say both. A
    smaller network than it began with is as it is.

    Raises:
        ModelError: a model can't be read or written.
    """
    device = engine.choose_device(settings.device)
    before, tuned = checkpoint.load_model(settings.init), checkpoint.load_model(out)
    if before.network.recipe != tuned.network.recipe:
        return f"{settings.init} was larger: nothing of it can be mixed in again against forgetting"
    nets = before.network.to(device), tuned.network.to(device)
    network, settled = finetuning.settle(*nets, finetuning.crops(), device)
    told = {"share": settled.share, "forgetting": settled.forgetting}
    checkpoint.save_model(out, network, {**tuned.card, "settled": told})
    _, held_out = dataset.split(pairs, settings.held_out, by_view=settings.patience > 0)
    page = trainer.run_folder(out) / "report.html"
    _write(page, settings.init, (nets[0], network), settled, held_out or pairs, is_seen=not held_out)
    return f"{_in_words(settled, settings.init)}; pictures in {page}"


def _in_words(settled: Settled, init: str) -> str:
    if not settled.share:
        return f"nothing of it is kept: more forgets what {init} knew; train on more frames, or fewer steps"
    kept = "all of it" if settled.share == 1 else f"{settled.share:.0%} of it, the rest from {init},"
    return f"{kept} is kept: error on other scenes {settled.forgetting:.2f} times that of {init}"


def _write(
    page: Path,
    init: str,
    networks: tuple[Denoising, Denoising],
    settled: Settled,
    views: Sequence[View],
    *,
    is_seen: bool,
) -> None:
    """The page, with pictures beside it where Pillow is installed."""
    shown = views[:: max(len(views) // SHOWN, 1)][:SHOWN]
    rows = [_row(view, page.with_name(f"report-{number}.png"), init, networks)
            for number, view in enumerate(shown)]  # fmt: skip
    whose = "frames that were trained on" if is_seen else "held-out frames"
    name = html.escape(init)
    text = (
        '<!doctype html><meta charset="utf-8"><title>mcdenoise: fine-tuned</title>'
        f"<p>{html.escape(_in_words(settled, init))}.</p>"
        f"<p>relMSE on {whose}, one half denoised against the other, whose own noise is part of it.</p>"
        f"<table border=1 cellpadding=4><tr><th>frame</th><th>{name}</th><th>tuned</th>"
        f"<th>noisy | {name} | tuned | other half</th></tr>{''.join(rows)}</table>"
    )
    with files.whole(page) as part:
        part.write_text(text, encoding="utf-8")


def _row(view: View, picture: Path, init: str, networks: tuple[Denoising, Denoising]) -> str:
    renders = [view.frame(number).color for number in range(len(view.renders))]
    device = next(networks[1].parameters()).device
    images = {name: engine.denoise(network, view.frame(0), device=device)[0]
              for name, network in zip((init, "tuned"), networks, strict=True)}  # fmt: skip
    scores = [trainer.validate(network, [view], device).get("relmse", 0.0) for network in networks]
    cells = "".join(f"<td>{score:.4f}</td>" for score in scores)
    strip = _strip(picture, {"noisy": renders[0], **images, "other": renders[-1]})
    return f"<tr><td>{html.escape(view.name)}</td>{cells}<td>{strip}</td></tr>"


def _strip(path: Path, images: Mapping[str, Image]) -> str:
    """The pictures side by side in the exposure of the last, as a PNG; the element that shows it."""
    if not find_spec("PIL"):
        return "pip install 'mcdenoise[train]' for pictures"
    from PIL import Image as Png

    exposure = metrics.exposure_for(list(images.values())[-1])
    row = np.concatenate([metrics.tone_map(image, exposure) for image in images.values()], axis=1)
    Png.fromarray((row * 255 + 0.5).astype(np.uint8)).save(path)
    return f'<img src="{path.name}">'
