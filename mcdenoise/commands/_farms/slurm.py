"""A batch script for Slurm: an array of chunks. The same lines do for PBS, SGE and others, with their index.

Source: slurm.schedmd.com/job_array.html
"""

import re
import shlex
import textwrap
from pathlib import Path

from mcdenoise.commands._farms import Shot, refuse_render
from mcdenoise.errors import UsageError

HELP = "a script for sbatch: Slurm"
# Of MaxArraySize; clusters may be set to more.
MOST_TASKS = 1001
NAME = "mcdenoise.sbatch"


def texts(shot: Shot) -> dict[str, str]:
    """The script.

    Raises:
        UsageError: it would have more tasks than Slurm takes, or is to render too.
    """
    if shot.chunks > MOST_TASKS:
        raise UsageError(
            f"farm export slurm: {shot.chunks} tasks, and Slurm takes {MOST_TASKS} by default; "
            f"give --chunk-size {-(-len(shot.numbers) // MOST_TASKS)} or more after --"
        )
    refuse_render(shot, "slurm", "sbatch --dependency=afterok:JOB does it")
    return {NAME: _script(shot)}


def then(_: Shot, folder: Path) -> str:
    """From a folder that all nodes see: the logs go there."""
    return shlex.join(["sbatch", str(folder / NAME)])


def _script(shot: Shot) -> str:
    """`exec`, so that the signal that ends a task reaches mcdenoise, which then leaves no half frame."""
    given = shlex.join(shot.command("0")[:-1])
    words = f'{given} --chunk-index="$SLURM_ARRAY_TASK_ID"'
    return textwrap.dedent(f"""\
        #!/bin/sh
        #SBATCH --job-name={re.sub("[^A-Za-z0-9._-]+", "_", shot.name)}
        #SBATCH --array=0-{shot.chunks - 1}
        #SBATCH --output=mcdenoise-%A_%a.log
        #SBATCH --requeue
        # A task that is run again skips what is done. More of sbatch's options may be given when submitting.
        exec {words}
        """)
