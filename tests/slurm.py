"""A real Slurm on this machine: a controller and two nodes, loopback, all of it in one folder."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")


def lacking() -> str:
    """Why there can be none here; empty if there can."""
    absent = [name for name in PROGRAMS if not shutil.which(name)]
    if absent:
        return f"no {', '.join(absent)}: apt-get install slurmctld slurmd slurm-client munge"
    return "" if os.geteuid() == 0 else "slurmd wants root"


@dataclass(frozen=True)
class Cluster:
    """What runs, and how to ask it."""

    folder: Path
    processes: dict[str, "subprocess.Popen[bytes]"]

    @property
    def environment(self) -> dict[str, str]:
        """In which sbatch finds it."""
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def kill_node(self, name: str) -> None:
        """As if its power failed: the node's daemon, then its steps' keepers, then what they run."""
        self.processes[name].kill()
        jobs = [pid for pid in _all_processes() if f"SLURMD_NODENAME={name}" in _environment(pid)]
        keepers = {_parent(pid) for pid in jobs if _program(_parent(pid)) == "slurmstepd"}
        for pid in [*keepers, *jobs]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def ask(self, *words: str) -> str:
        """One of Slurm's commands."""
        return subprocess.run(
            words, env=self.environment, check=True, capture_output=True, text=True, timeout=280
        ).stdout


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start it, and end it with all that it runs."""
    folder.mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    (folder / "slurm.conf").write_text(_configuration(folder))
    running = Cluster(folder, {})
    try:
        files = ("key-file", "socket", "pid-file", "log-file", "seed-file")
        munge = [f"--{name}={folder}/munge.{name.partition('-')[0]}" for name in files]
        _start(running, "munge", "munged", "--foreground", "--force", *munge)
        wait((folder / "munge.socket").exists)
        _start(running, "controller", "slurmctld", "-D", "-i")
        for node in ("n1", "n2"):
            _start(running, node, "slurmd", "-D", "-N", node)
        wait(lambda: running.ask("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == "2")
        yield running
    finally:
        for process in reversed(running.processes.values()):
            for child in _below(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            process.kill()
            process.wait()


def _configuration(folder: Path) -> str:
    control, one, two = (free_port() for _ in range(3))
    host = socket.gethostname().partition(".")[0]
    node = f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs=1"
    return f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
MpiDefault=none
SlurmdTimeout=5
ReturnToService=2
NodeName=n1 {node} Port={one}
NodeName=n2 {node} Port={two}
PartitionName=all Nodes=n1,n2 Default=YES State=UP
"""


def _start(running: Cluster, name: str, *words: str) -> None:
    with (running.folder / f"{name}.out").open("wb") as out:
        running.processes[name] = subprocess.Popen(
            words, env=running.environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )


def _all_processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _environment(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0")
    return []


def _program(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _below(process: int) -> list[int]:
    """All that a process has started and is still its child."""
    told = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True).stdout
    children = [int(word) for word in told.split()]
    return [*children, *(deeper for child in children for deeper in _below(child))]


def wait(is_so: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(subprocess.CalledProcessError):
            if is_so():  # type: ignore[operator]
                return
        time.sleep(0.1)
    raise TimeoutError
