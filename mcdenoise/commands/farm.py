"""`mcdenoise farm export`: a job description for a farm's own scheduler, from the arguments of denoise."""

import argparse
from pathlib import Path

from mcdenoise import files, plugins
from mcdenoise.commands import _farms, _terminal
from mcdenoise.errors import UsageError

HELP = "write a job for a farm: Open Job Description, Slurm, OpenCue, Flamenco, ..."
EXAMPLES = """\
examples:
  mcdenoise farm export openjd -o job/ -- shot.####.exr --frames 1-1000 -o clean/out.####.exr
  mcdenoise farm export slurm -o job/ -- shot.####.exr --frames 1-1000x2 --chunk-size 50 --strength 0.8
  mcdenoise farm export openjd -o job/ --render 'blender -b shot.blend -f FRAME' -- shot.####.exr --frames 1-9

What stands after -- is what `mcdenoise denoise` would be given. Each task takes --chunk-size frames (25) and
skips those that are done, so a task can be run again. See docs/farm.md.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this verb."""
    parser.add_argument("action", choices=("export",), help="what to do")
    parser.add_argument("farm", choices=plugins.names(_farms), help="for which scheduler")
    parser.add_argument(
        "-o",
        "--output",
        dest="folder",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where to write the job",
    )
    parser.add_argument(
        "--render", default="", metavar="COMMAND", help="render first: a frame's command, with FRAME in it"
    )
    parser.add_argument("words", nargs="+", metavar="-- ARGUMENTS", help="the arguments of denoise")


def run(arguments: argparse.Namespace) -> int:
    """Write the files of the job, over those of an older one."""
    if arguments.render and "FRAME" not in arguments.render:
        raise UsageError(f"--render {arguments.render}: nowhere says FRAME, where the frame's number goes")
    farm = plugins.load(_farms, arguments.farm)
    shot = _farms.shot(arguments.words, arguments.render)
    for name, text in farm.texts(shot).items():
        path = arguments.folder / name
        _write(path, text)
        _terminal.say(str(path))
    _terminal.say(f"then: {farm.then(shot, arguments.folder)}")
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.whole(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror}; choose another folder") from error
