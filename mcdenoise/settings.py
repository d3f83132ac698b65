"""The settings of training; apart from the trainer, so that `mcdenoise train --help` needs no torch."""

import argparse
from dataclasses import dataclass

from mcdenoise.config import setting
from mcdenoise.errors import UsageError

# What is usual where training starts from a model: small steps, held-out frames, the best of them kept.
FINE_TUNING = {
    "steps": 4000,
    "learning_rate": 1e-4,
    "held_out": 0.1,
    "validate_every": 200,
    "patience": 5,
}


def _widths(text: str) -> str:
    if text and not all(part.strip().isdecimal() and int(part) for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text}: want numbers like 24,32,48,64")
    return text


@dataclass(frozen=True)
class TrainSettings:
    """All that decides what `train` makes of the pairs."""

    steps: int = setting(20_000, "how many batches to learn from", metavar="N")
    batch: int = setting(8, "crops per step, of all ranks together", metavar="N")
    crop: int = setting(128, "side of a crop in pixels, a multiple of 32", metavar="N")
    network: str = setting("kpn", "which network to train (see mcdenoise/networks)", metavar="NAME")
    init: str = setting(
        "",
        "start from this model, a shipped one's name or a file, in place of random weights",
        metavar="MODEL",
    )
    widths: str = setting(
        "",
        "channels of the network's levels, the finest first (24,32,48,64: a small hybrid); where "
        "--init has more, those that matter most",
        metavar="N,N...",
        parse=_widths,
    )
    target: str = setting(
        "other",
        "what an input is compared with: the other render of its view, or its own pixels (self), hidden from "
        "the network a sixteenth at a time, where there is one render only (Noise2Self)",
        choices=("other", "self"),
    )
    loss: str = setting(
        "relative_l2", "which loss; only those whose best constant is the mean", metavar="NAME"
    )
    means_weight: float = setting(
        1.0, "how much the light of squares of 32 pixels counts beside that of single ones", metavar="X"
    )
    firefly_limit: float = setting(
        9.0,
        "a target's pixel counts as at most so many times as bright as what is expected there; inf: as it is",
        metavar="X",
    )
    learning_rate: float = setting(5e-4, "peak of the one-cycle schedule", metavar="X")
    weight_decay: float = setting(1e-4, "AdamW's decay", metavar="X")
    clip: float = setting(1.0, "largest norm of a gradient; fireflies make longer ones", metavar="X")
    ema: float = setting(0.998, "share of the averaged weights that a step keeps", metavar="X")
    held_out: float = setting(
        0.05, "share of the scenes that is validated on and not trained on", metavar="X"
    )
    patience: int = setting(
        0, "stop after so many validations without a better one, and keep the best; 0: never", metavar="N"
    )
    validate_every: int = setting(500, "steps between validations", metavar="N")
    save_every: int = setting(250, "steps between checkpoints", metavar="N")
    compile: bool = setting(
        False, "compile the network first: minutes, then faster steps on a GPU; needs a C++ compiler"
    )
    workers: int = setting(
        0, "processes that cut crops ahead; 0: a thread, best on few cores without a GPU", metavar="N"
    )
    seed: int = setting(1, "where chance starts", metavar="N")
    device: str = setting("auto", "auto, cpu, cuda or mps", choices=("auto", "cpu", "cuda", "mps"))

    @property
    def recipe(self) -> dict[str, list[int]]:
        """What the network is built from, as far as it isn't as usual."""
        return {"widths": [int(part) for part in self.widths.split(",")]} if self.widths else {}

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.validate_every, self.save_every) < 1:
            raise UsageError("train: --steps, --batch, --validate-every and --save-every must be at least 1")
        if self.patience < 0:
            raise UsageError(f"train: --patience {self.patience}: can't be negative")
        if self.workers < 0:
            raise UsageError(f"train: --workers {self.workers}: can't be negative")
        if self.crop < 32 or self.crop % 32:
            raise UsageError(f"train: --crop {self.crop}: must be a multiple of 32")
        if not (
            0 < self.learning_rate < 1 and self.clip > 0 and 0 <= self.ema < 1 and 0 <= self.held_out < 1
        ):
            raise UsageError("train: --learning-rate, --clip, --ema or --held-out is out of range")
        if not self.firefly_limit >= 1:
            raise UsageError(f"train: --firefly-limit {self.firefly_limit}: must be at least 1")
        if self.means_weight < 0:
            raise UsageError(f"train: --means-weight {self.means_weight}: can't be negative")
