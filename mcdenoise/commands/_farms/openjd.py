"""Open Job Description, the format of AWS Deadline Cloud; `openjd run` runs it on one machine.

Source: github.com/OpenJobDescription/openjd-specifications, 2023-09 Template Schemas. Tasks are numbers of
chunks and not frames, because a range of frames with steps would be cut into tasks of one frame each.
"""

import json
import shlex
from pathlib import Path
from typing import Any

from mcdenoise.commands._farms import Shot
from mcdenoise.errors import UsageError

HELP = "a bundle for Open Job Description: AWS Deadline Cloud, openjd run"
VERSION = "jobtemplate-2023-09"
# How long a task may take to write what it is at, once it is told to stop.
GRACE_SECONDS = 60


def texts(shot: Shot) -> dict[str, str]:
    """The bundle: the template, its folders' places, and that Deadline Cloud has to bring them along.

    Raises:
        UsageError: a path has `{{`, which OpenJD would replace.
    """
    if "{{" in "".join([str(shot.source), shot.output, *shot.flags]):
        raise UsageError("farm export openjd: '{{' in a path or a flag means something else there; rename it")
    assets = {
        "assetReferences": {
            "inputs": {"filenames": [], "directories": [str(shot.source.parent)]},
            "outputs": {"directories": [str(shot.out_folder)]},
            "referencedPaths": [],
        }
    }
    values = {"parameterValues": [{"name": name, "value": value} for name, value in _folders(shot).items()]}
    return {
        "template.json": _text(_template(shot)),
        "parameter_values.json": _text(values),
        "asset_references.json": _text(assets),
    }


def then(shot: Shot, folder: Path) -> str:
    """For Deadline Cloud `deadline bundle submit FOLDER`; here, a run on this machine."""
    values = [word for name, value in _folders(shot).items() for word in ("-p", f"{name}={value}")]
    step = ["--step", "Denoise", *(["--run-dependencies"] if shot.render else [])]
    return shlex.join(["openjd", "run", str(folder / "template.json"), *step, *values])


def _text(content: Any) -> str:
    return json.dumps(content, indent=2) + "\n"


def _template(shot: Shot) -> dict[str, Any]:
    denoise = {
        "name": "Denoise",
        **({"dependencies": [{"dependsOn": "Render"}]} if shot.render else {}),
        **_step("Chunk", f"0-{shot.chunks - 1}" if shot.chunks > 1 else "0", _command(shot)),
    }
    return {
        "specificationVersion": VERSION,
        "name": shot.name,
        "parameterDefinitions": [
            _folder("InputFolder", "IN", "where the noisy frames are"),
            _folder("OutputFolder", "OUT", "where the denoised frames go"),
        ],
        "steps": [*([_render(shot)] if shot.render else []), denoise],
    }


def _folder(name: str, flow: str, explained: str) -> dict[str, Any]:
    """A parameter without a default, which could only be a path relative to the bundle."""
    return {
        "name": name, "type": "PATH", "objectType": "DIRECTORY", "dataFlow": flow, "description": explained,
    }  # fmt: skip


def _folders(shot: Shot) -> dict[str, str]:
    return {"InputFolder": str(shot.source.parent), "OutputFolder": str(shot.out_folder)}


def _command(shot: Shot) -> list[str]:
    """The task's command, its folders as parameters, so that farms can map them on each machine."""
    source, output = f"{{{{Param.InputFolder}}}}/{shot.source.name}", "{{Param.OutputFolder}}/"
    if not shot.output.endswith("/") and shot.output:
        output += shot.output.rpartition("/")[2]
    words = shot.command("{{Task.Param.Chunk}}", "openjd")
    known = {str(shot.source): source, f"--output={shot.output}": f"--output={output}"}
    return [known.get(word, word) for word in words]


def _render(shot: Shot) -> dict[str, Any]:
    """A task for each frame of the renderer's own command."""
    words = [word.replace("FRAME", "{{Task.Param.Frame}}") for word in shlex.split(shot.render)]
    return {
        "name": "Render",
        **_step("Frame", shot.without_steps, words),
    }


def _step(parameter: str, numbers: str, words: list[str]) -> dict[str, Any]:
    """A step of one task for each number."""
    return {
        "parameterSpace": {
            "taskParameterDefinitions": [{"name": parameter, "type": "INT", "range": numbers}],
        },
        "script": {
            "actions": {
                "onRun": {
                    "command": words[0],
                    "args": words[1:],
                    "cancelation": {
                        "mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": GRACE_SECONDS,
                    },
                }
            }
        },
    }  # fmt: skip
