"""Where a number came from: the command, the revision, the machine, the versions. Stored beside it."""

import hashlib
import os
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from mcdenoise.errors import NoInputError

PACKAGES = ("numpy", "torch", "pyoidn", "scikit-image", "flip-evaluator", "OpenEXR")


@dataclass(frozen=True)
class Origin:
    """What someone needs to measure the same again."""

    command: str
    revision: str
    model: str
    date: str
    machine: str
    versions: dict[str, str]


def here(module: str, model: Path) -> Origin:
    """The origin of what `python -m MODULE` is about to measure.

    Raises:
        NoInputError: there is no such model file.
    """
    if not model.is_file():
        raise NoInputError(f"--model {model}: no such file; name a .safetensors file")
    return Origin(
        command=f"python -m {module} {shlex.join(sys.argv[1:])}",
        revision=_revision(),
        model=f"{model.name}, sha256 {hashlib.sha256(model.read_bytes()).hexdigest()[:16]}",
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=f"{_processor()}, {os.cpu_count()} cores, {platform.system()}{_thread_limit()}",
        versions={"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
    )


def as_markdown(origin: Origin) -> str:
    """The same as a list."""
    versions = ", ".join(f"{name} {version}" for name, version in origin.versions.items())
    return (
        f"- command: `{origin.command}`\n- revision: {origin.revision}\n- model: {origin.model}\n"
        f"- date: {origin.date}\n- machine: {origin.machine}\n- versions: {versions}\n"
    )


def _revision() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],  # noqa: S607 - the user's git
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return told.stdout.strip() or "unknown"


def _thread_limit() -> str:
    """It holds for torch and not for OIDN, so a speed measured under it is no fair one."""
    limit = os.environ.get("OMP_NUM_THREADS")
    return f", OMP_NUM_THREADS={limit}" if limit else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
