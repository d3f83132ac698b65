"""How training goes, step by step: what is reported, and the files that keep it."""

import csv
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcdenoise import files
from mcdenoise.errors import TrainingError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """How training stands after a step; validation scores where there were some."""

    step: int
    loss: float
    pairs_per_second: float
    relmse: float | None = None
    psnr: float | None = None


class Journal:
    """`log.csv`, and TensorBoard events where that is installed; a resumed run goes on after `step`."""

    HEADER = ("step", "loss", "learning_rate", "pairs_per_second", "relmse", "psnr")

    def __init__(self, folder: Path, step: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._forget_after(step, folder / "log.csv")
            self._file = (folder / "log.csv").open("a", newline="", encoding="utf-8")
        except OSError as error:
            raise TrainingError(
                f"{folder}: can't write there: {error.strerror}; choose another -o"
            ) from error
        self._csv = csv.writer(self._file)
        self._board = _tensorboard(folder, step)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._board:
            self._board.close()

    def _forget_after(self, step: int, path: Path) -> None:
        """What a killed run logged after its last checkpoint is done, and logged, again."""
        rows: list[list[str]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.reader(file) if len(row) == len(self.HEADER) and row[0].isdigit()]
        with files.whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self.HEADER, *(row for row in rows if int(row[0]) <= step)])

    def write(self, now: Report, rate: float) -> None:
        """One row, flushed, so that a killed run keeps its history."""
        values = {"loss": now.loss, "learning_rate": rate, "pairs_per_second": now.pairs_per_second,
                  "relmse": now.relmse, "psnr": now.psnr}  # fmt: skip
        self._csv.writerow(
            [now.step, *("" if value is None else f"{value:.6g}" for value in values.values())]
        )
        self._file.flush()
        if self._board:
            for name, value in values.items():
                if value is not None:
                    self._board.add_scalar(name, value, now.step)


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        log.info("no TensorBoard events: pip install 'mcdenoise[train]' for them")
        return None
    return SummaryWriter(folder, purge_step=step or None)
