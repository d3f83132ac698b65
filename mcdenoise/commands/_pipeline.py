"""Frames one after the other, the next one read and the previous one written while the network runs."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Job = TypeVar("Job")
Read = TypeVar("Read")
Worked = TypeVar("Worked")
Done = TypeVar("Done")


@dataclass(frozen=True)
class Stages(Generic[Job, Read, Worked, Done]):
    """What is done for each job. `start` gives the middle stage, `work`, while the first job is read."""

    read: Callable[[Job], Read]
    start: Callable[[], Callable[[Job, Read], Worked]]
    write: Callable[[Job, Worked], Done]


def run(
    jobs: Sequence[Job],
    stages: Stages[Job, Read, Worked, Done],
    ended: Callable[[Job, "Future[Done]"], None],
) -> None:
    """Do all jobs in order; `ended` is told in this thread what came of each, or what its stages raised.

    One job at most is in each stage, so three frames at most are in memory. A job that lacked memory beside
    others is done again at the end, alone. Interrupted, what is being written is still written whole.

    Raises:
        Exception: from `start`; what a stage raises ends its own job only.
    """
    starved: list[Job] = []

    def told(job: Job, done: "Future[Done]") -> None:
        if len(jobs) > 1 and lacks_memory(done.exception()):
            starved.append(job)
        else:
            ended(job, done)

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        ahead = [reader.submit(stages.read, jobs[0])]
        work = stages.start()
        behind: list[tuple[Job, Future[Done]]] = []
        try:
            for number, job in enumerate(jobs, 1):
                read = ahead.pop()
                _ = read.exception()  # waits
                if number < len(jobs):
                    ahead.append(reader.submit(stages.read, jobs[number]))
                worked = _now(_worked, work, job, read)
                del read  # and the guides with it
                while behind:
                    told(*behind.pop())
                behind.append((job, writer.submit(_written, stages.write, job, worked)))
        finally:
            while behind:
                told(*behind.pop())
    for job in starved:
        alone = _now(_worked, work, job, _now(stages.read, job))
        ended(job, _now(_written, stages.write, job, alone))


def lacks_memory(error: BaseException | None) -> bool:
    """Whether there was too little memory: as Python, torch, on CPU or GPU, and our reader say it."""
    if isinstance(error, RuntimeError):
        return "can't allocate memory" in str(error) or "out of memory" in str(error)
    return error is not None and isinstance(error.__cause__ or error, MemoryError)


def _worked(work: Callable[[Job, Read], Worked], job: Job, read: "Future[Read]") -> Worked:
    return work(job, read.result())


def _written(write: Callable[[Job, Worked], Done], job: Job, worked: "Future[Worked]") -> Done:
    return write(job, worked.result())


def _now(function: Callable[..., Done], *arguments: object) -> "Future[Done]":
    """What came of a call, as a thread would hand it back."""
    done: Future[Done] = Future()
    try:
        done.set_result(function(*arguments))
    except Exception as error:  # whatever it is, `result()` raises it again
        done.set_exception(error)
    return done
