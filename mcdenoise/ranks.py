"""The processes that train one model together: those that torchrun started, or this one alone."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from mcdenoise.errors import TrainingError
from mcdenoise.networks._contract import Denoising, Output

log = logging.getLogger(__name__)

# How many seconds ranks wait for each other to meet. After a restart gloo now and then waits for ever,
# whatever time-out it is given; torchrun starts ranks that end again.
MEETING = 90.0


@dataclass(frozen=True)
class Ranks:
    """This process's number among so many; the first one writes the files."""

    rank: int = 0
    count: int = 1

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all ranks; each has to ask."""
        value = value.detach()
        if self.count > 1:
            value = value.clone()
            distributed.all_reduce(value)
            value /= self.count
        return value

    def agree(self, step: int) -> None:
        """Make sure that all begin at the same step.

        Raises:
            TrainingError: they don't: one sees another state file.
        """
        if self.count == 1:
            return
        steps: list[int | None] = [None] * self.count
        distributed.all_gather_object(steps, step)
        if len(set(steps)) > 1:
            found = f"ranks found their states at steps {steps}"
            raise TrainingError(f"{found}; -o has to be in a folder that all machines share")


def mine() -> Ranks:
    """This process's place, by what torchrun has put into the environment."""
    if not distributed.is_torchelastic_launched():
        return Ranks()
    return Ranks(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))


def own(device: torch.device) -> torch.device:
    """Of several GPUs the one that is this process's."""
    if device.type != "cuda" or mine().count == 1:
        return device
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))


@contextlib.contextmanager
def _given_up_after(seconds: float) -> Iterator[None]:
    """This process ends if what is within takes longer."""

    def end() -> None:
        log.error("the ranks of this training didn't meet within %.0f s", seconds)
        os._exit(1)

    watch = threading.Timer(seconds, end)
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """All ranks, connected; at the end each waits for the others, unless it fails."""
    ranks = mine()
    if ranks.count == 1:
        yield ranks
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with _given_up_after(MEETING):
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield ranks
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


class _InFull(torch.nn.Module):
    """`in_full` as a module's forward, where DistributedDataParallel looks for it."""

    def __init__(self, network: Denoising) -> None:
        super().__init__()
        self.network = network

    def forward(self, color: Tensor, guides: Tensor) -> Output:
        """All that the network says."""
        return self.network.in_full(color, guides)


def in_full(network: Denoising, ranks: Ranks) -> Callable[[Tensor, Tensor], Output]:
    """The network's `in_full`, whose gradients become the mean over all ranks."""
    if ranks.count == 1:
        return network.in_full
    together: Callable[[Tensor, Tensor], Output] = DistributedDataParallel(_InFull(network))
    return together
