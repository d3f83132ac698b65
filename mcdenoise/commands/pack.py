"""`mcdenoise pack`: checks pairs, and packs the sound ones into shards that training reads as they lie."""

import argparse
from pathlib import Path

from mcdenoise.commands._terminal import complain, say
from mcdenoise.errors import UsageError

HELP = "check pairs of noisy frames, and pack the sound ones into shards to train on"
EXAMPLES = """examples:
  mcdenoise pack pairs/ -o shards/              NAME.a.exr and NAME.b.exr
  mcdenoise pack take1/ take2/ -o shards/       the same names in two folders
  mcdenoise pack pairs/ --check                 only says what is wrong
  mcdenoise train shards/ -o show.safetensors
Run it again to go on where it was stopped, or after rendering more: only what is new is packed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `pack`."""
    parser.add_argument("pairs", nargs="+", type=Path, metavar="PAIRS/",
                        help="folder of pairs, or two folders with a render of each view")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, metavar="SHARDS/", help="folder for the shards")
    parser.add_argument("--check", action="store_true", help="only check; exit code 1 if a pair is bad")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Check all pairs and pack the sound ones; a bad one is named, counted and left out."""
    if len(arguments.pairs) > 2:
        raise UsageError("pack: give one folder of pairs, or two folders with a render of each view")
    if (arguments.output is None) != arguments.check:
        raise UsageError("pack: give -o SHARDS/ to pack, or --check to check only")

    from tqdm import tqdm

    from mcdenoise import packing

    with tqdm(unit="pair", disable=arguments.quiet or None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        if arguments.check:
            tally = packing.check(arguments.pairs, progress=progress)
        else:
            tally = packing.pack(arguments.pairs, arguments.output, progress=progress)
    for name, faults in tally.left_out.items():
        complain(f"left out: {name}: {'; '.join(faults)}")
    told = f"{tally.sound} sound pairs, {len(tally.left_out)} left out"
    if arguments.check:
        say(f"{arguments.pairs[0]}: {told}")
        return int(bool(tally.left_out))
    shards = f"{tally.shards_written} shards written, {tally.shards_there} were there"
    say(f"{arguments.output}: {told}; {shards}")
    return 0
