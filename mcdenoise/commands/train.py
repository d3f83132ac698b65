"""`mcdenoise train`: noisy pairs in, model out."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Never

from mcdenoise import config
from mcdenoise.commands import _memory
from mcdenoise.commands._terminal import complain, say
from mcdenoise.errors import UsageError
from mcdenoise.settings import FINE_TUNING, TrainSettings

if TYPE_CHECKING:
    from tqdm import tqdm

    from mcdenoise.journal import Report
    from mcdenoise.views import View

HELP = "train a model on pairs of noisy frames (Noise2Noise)"
EXAMPLES = """examples:
  mcdenoise train pairs/ -o show.safetensors --steps 20000
  mcdenoise train pairs/ -o show.safetensors --config show.toml
  mcdenoise train pairs/ -o show.safetensors --network hybrid --init standard --steps 4000
  torchrun --nproc-per-node 2 -m mcdenoise train pairs/ -o show.safetensors
  mcdenoise train shot/ --init standard -o show.safetensors    fine-tune the shipped model on a show
  mcdenoise train one/ other/ --init standard -o show.safetensors    a render of each frame in both folders
  mcdenoise train frames/ --target self -o show.safetensors    frames that were rendered once (Noise2Self)
  tensorboard --logdir show.run
Run it again to go on where it was stopped: the state is kept in show.run/."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `train`."""
    parser.add_argument("pairs", type=Path, nargs="+", metavar="PAIRS/",
                        help="folder of NAME.a.exr and NAME.b.exr, or two folders")  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="MODEL.safetensors", help="what to write"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    config.add_arguments(parser, TrainSettings)


def run(arguments: argparse.Namespace) -> int:
    """Train, or go on training."""
    if len(arguments.pairs) > 2:
        raise UsageError("train: give one folder of pairs, or two folders with a render of each frame")
    settings = config.resolve(TrainSettings, arguments)
    out: Path = arguments.output
    if out.suffix != ".safetensors":
        raise UsageError(f"{out}: a model's name ends in .safetensors")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out.parent}: no such folder; make it first")

    from tqdm import tqdm

    from mcdenoise import losses, ranks, trainer

    if settings.init:
        settings = config.resolve(TrainSettings, arguments, _fine_tuning(settings.init))
    _memory.keep_for(settings.crop, settings.crop)
    losses.find(settings.loss, is_target_noisy=True)  # before any work
    if out.exists() and not trainer.state_path(out).exists():
        raise UsageError(f"{out}: exists, and not from a run that could go on; give another -o or remove it")
    talks = not ranks.mine().rank  # of several, the first
    quiet = arguments.quiet or not talks
    if settings.target == "self" and len(arguments.pairs) > 1:
        raise UsageError("train --target self: give one folder of frames")
    pairs, left_out = _load(arguments.pairs, are_single=settings.target == "self", quiet=quiet)
    for line in left_out if talks else ():
        complain(f"left out: {line}")
    first = trainer.first_step(out)
    with tqdm(total=settings.steps, initial=first, unit="step", disable=quiet or None) as bar:
        trainer.train(settings, pairs, out, report=_reporter(bar))
    if talks:
        what = "pairs" if settings.target == "other" else "frames"
        say(f"{out}: trained on {len(pairs)} {what}; log in {trainer.run_folder(out)}")
    if talks and settings.init:
        from mcdenoise.commands import _show

        say(_show.settle(out, settings, pairs))
    return 0


def _fine_tuning(init: str) -> dict[str, object]:
    """What is usual where training starts from this model, its own network first, and its sizes if they
    aren't as usual."""
    from mcdenoise import checkpoint, networks

    network = checkpoint.load_model(init).network
    name = type(network).__module__.rsplit(".", 1)[-1]
    is_usual = network.recipe == networks.build(name, {}).recipe
    widths = "" if is_usual else ",".join(map(str, network.recipe["widths"]))
    return {**FINE_TUNING, "network": name, "widths": widths}


def _load(folders: "list[Path]", *, are_single: bool, quiet: bool) -> "tuple[list[View], list[str]]":
    from tqdm import tqdm

    from mcdenoise import dataset

    with tqdm(unit="pair", desc="reading pairs", leave=False, disable=quiet or None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return dataset.load(*folders, are_single=are_single, progress=progress)


def _reporter(bar: "tqdm[Never]") -> "Callable[[Report], None]":
    smooth: list[float] = []

    def report(now: "Report") -> None:
        smooth.append(now.loss)
        del smooth[:-100]
        bar.set_postfix(
            loss=f"{sum(smooth) / len(smooth):.4f}", pairs_s=f"{now.pairs_per_second:.1f}", refresh=False
        )
        bar.update(now.step - bar.n)
        if now.relmse is not None:
            bar.write(f"step {now.step}: held-out scenes: relMSE {now.relmse:.4f}, PSNR {now.psnr:.2f} dB "
                      "(against the other noisy half)", file=sys.stderr)  # fmt: skip

    return report
