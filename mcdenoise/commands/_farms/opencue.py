"""OpenCue (ASWF): a job specification for Cuebot, a frame of OpenCue's is a chunk of ours.

Source: github.com/AcademySoftwareFoundation/OpenCue, cuebot/src/main/resources/public/dtd/cjsl-1.15.dtd,
whose order the elements keep. Cuebot puts a frame's number in place of #IFRAME#.
"""

import getpass
import os
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

from mcdenoise.commands._farms import Shot, refuse_render

HELP = "a job specification for Cuebot: OpenCue"
NAME = "mcdenoise.xml"
TRIES = 3
HEAD = """<?xml version="1.0"?>
<!DOCTYPE spec PUBLIC "SPI Cue Specification Language" "http://localhost:8080/spcue/dtd/cjsl-1.15.dtd">
"""


def texts(shot: Shot) -> dict[str, str]:
    """The specification; show and shot are those of the environment, as for OpenCue's own tools.

    Raises:
        UsageError: it is to render too.
    """
    refuse_render(shot, "opencue", "give the render a layer, and a depend of type LAYER_ON_LAYER")
    spec = ElementTree.Element("spec")
    _add(spec, "show", os.environ.get("SHOW", "testing"))
    _add(spec, "shot", os.environ.get("SHOT", "mcdenoise"))
    _add(spec, "user", getpass.getuser())
    if os.getuid():  # no OpenCue runs frames as root
        _add(spec, "uid", str(os.getuid()))
    job = _add(spec, "job", name=re.sub("[^a-z0-9_]+", "_", shot.name.lower()).strip("_"))
    _add(job, "maxretries", str(TRIES))
    layer = _add(_add(job, "layers"), "layer", name="denoise", type="Render")
    _add(layer, "cmd", shlex.join(shot.command("#IFRAME#", "none")))
    _add(layer, "range", f"0-{shot.chunks - 1}")
    _add(layer, "chunk", "1")
    ElementTree.indent(spec)
    return {NAME: HEAD + ElementTree.tostring(spec, encoding="unicode") + "\n"}


def then(_: Shot, folder: Path) -> str:
    """With the Python that has pycue."""
    launch = "import sys, opencue; opencue.api.launchSpecAndWait(open(sys.argv[1]).read())"
    return shlex.join(["python", "-c", launch, str(folder / NAME)])


def _add(parent: ElementTree.Element, tag: str, text: str = "", **names: str) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, names)
    child.text = text or None
    return child
