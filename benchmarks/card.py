"""Writes the card of a model: how it came about, from the model's own file, and how it scores.

    python -m benchmarks.card --model mcdenoise/weights/standard.safetensors --quality runs/quality/quality.md

writes `standard.md` beside the model. Nothing in it is typed by hand.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import origin
from mcdenoise import checkpoint
from mcdenoise.errors import McdenoiseError, NoInputError
from renderers.scenes import files


def main() -> int:
    """Read the model and the table, write the card."""
    arguments = _arguments()
    try:
        path = write(arguments.model, arguments.quality)
    except McdenoiseError as error:
        print(f"card: {error}", file=sys.stderr)
        return error.exit_code
    print(path)
    return 0


def write(model: Path, quality: Path) -> Path:
    """The card of `model`, beside it; the scores are those of `quality.md`.

    Raises:
        ModelError: the model can't be read.
        NoInputError: there is no such table.
    """
    if not quality.is_file():
        raise NoInputError(f"{quality}: no such file; make it with: make bench-quality")
    loaded = checkpoint.load_model(model)
    where = origin.here("benchmarks.card", model)
    parameters = sum(weight.numel() for weight in loaded.network.parameters())
    scores = quality.read_text(encoding="utf-8").replace("# Quality", "## Scores on validation scenes")
    text = "\n".join([*_about(loaded, parameters, where), *_scenes(loaded.card), scores])
    path = model.with_suffix(".md")
    path.write_text(text, encoding="utf-8")
    return path


def _about(loaded: checkpoint.Model, parameters: int, where: origin.Origin) -> list[str]:
    card, settings = loaded.card, loaded.card["settings"]
    spps, extra = _counts(card["pairs_by_spp"]), _counts(card.get("extra_renders_by_spp", {}))
    filters = ", ".join(f"{name}: {count}" for name, count in sorted(card["pairs_by_filter"].items()))
    return [
        f"# Model card: {loaded.name}\n",
        f"- network: `{settings['network']}`, {parameters:,} parameters, {where.model}",
        f"- trained by Noise2Noise on noisy pairs only, loss `{settings['loss']}`, no clean target anywhere",
        f"- data: {card['pairs']} pairs (views) of {len(card['scenes'])} scenes",
        f"- pairs by spp of each half: {spps}",
        f"- two cleaner renders more of each view, by spp: {extra or 'none'}",
        f"- pairs by pixel filter: {filters}",
        f"- training: {settings['steps']:,} steps of {settings['batch']} crops of {settings['crop']} pixels",
        f"- time: {card['hours']:.2f} hours of steps on {where.machine}, torch {card['torch']}",
        f"- revision: {where.revision}",
        *(f"- {remark}" for remark in card.get("remarks", [])),
        f"- all settings: `{settings}`\n",
    ]


def _scenes(card: Mapping[str, Any]) -> list[str]:
    real = [name for name in card["scenes"] if name in files.CREDITS]
    made = len(card["scenes"]) - len(real)
    return [
        "## Scenes\n",
        f"Trained on {made} made-up scenes (`mcdenoise render --procedural`) and on these, with thanks:\n",
        *(f"- {_credit(name)}" for name in real),
        f"\nHeld out of training, for the log: {', '.join(card['held_out_scenes'])}.",
        f"\nValidated on, never trained on: {'; '.join(_credit(name) for name in files.VALIDATION)}.\n",
    ]


def _credit(name: str) -> str:
    credit = files.CREDITS[name]
    return f"{name}: {credit.title} by {credit.author} ({credit.licence})"


def _counts(by_number: Mapping[str, int]) -> str:
    return ", ".join(f"{spp}: {by_number[spp]}" for spp in sorted(by_number, key=int))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.card", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a .safetensors file")
    parser.add_argument("--quality", type=Path, required=True, help="quality.md of benchmarks.quality")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
