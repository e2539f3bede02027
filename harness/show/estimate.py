"""How long a run will still take, estimated from timed epochs. Reads no clock: times are arguments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NAMED = 2  # at most this many groups are named in a text


class EpochTimer:
    """Times the epochs of one job.

    started: when the job started, in seconds on any clock.
    resumable: the job may start from a checkpoint, so that the first epoch it reports need not be its first one.
    """

    def __init__(self, started: float, resumable: bool = False):
        self.seconds_per_epoch: float | None = None
        self.may_have_resumed = False  # whether the job may have started from a checkpoint
        self._epoch, self._at = 0, started
        self._base = None if resumable else (0, started)  # the epoch and the time from which epochs are timed

    def epoch_ended(self, epoch: int, now: float) -> None:
        """An epoch, counted from 1, has ended. The epochs between it and the last one reported have ended too."""
        if epoch == self._epoch:
            return
        if epoch < self._epoch:
            self._base = (epoch, now)  # resumed after its worker died
        elif self._base is not None:
            self.seconds_per_epoch = (now - self._base[1]) / (epoch - self._base[0])
            if self._epoch == 0:  # later epochs are timed without the start of the job
                self._base = (epoch, now)
        else:
            self.may_have_resumed = epoch > 1
            self.seconds_per_epoch = None if self.may_have_resumed else now - self._at
            self._base = (epoch, now)
        self._epoch, self._at = epoch, now

    def seconds_left(self, epochs_left: int, seconds_per_epoch: float, now: float) -> float:
        """Seconds until the job ends. An epoch that takes longer than expected does not shorten those after it."""
        return max(0.0, epochs_left * seconds_per_epoch - min(now - self._at, seconds_per_epoch))


@dataclass(frozen=True)
class Remaining:
    """Jobs that have not ended.

    group: such as ``stage 2 of cosmo``.
    seconds: what each of the jobs still takes; None if no epoch of the group has been timed.
    jobs: the number of jobs.
    alone: nothing else runs beside them, because they measure a device.
    """

    group: str
    seconds: float | None
    jobs: int = 1
    alone: bool = False


@dataclass(frozen=True)
class TimeLeft:
    """Seconds until the last job ends.

    seconds: without the jobs of the groups in ``untimed``; None if nothing has been timed.
    untimed: the groups without a timed epoch.
    """

    seconds: float | None
    untimed: tuple[str, ...] = ()

    def after(self, seconds: float) -> TimeLeft:
        """The same estimate some seconds later."""
        return TimeLeft(None if self.seconds is None else max(0.0, self.seconds - seconds), self.untimed)

    def __str__(self) -> str:
        """Such as ``about 12 min left`` or, with the reason, ``at least 12 min left`` or ``time left not known``."""
        if not self.untimed:
            return left_text(self.seconds or 0.0)
        more = len(self.untimed) - NAMED
        names = ", ".join(self.untimed[:NAMED]) + (f" and {more} more" if more > 0 else "")
        reason = f"not timed yet: {names}"
        if self.seconds is None or self.seconds < 1:
            return f"time left not known ({reason})"
        return f"at least {rough_span(self.seconds)} left ({reason})"


def estimate(remaining: Iterable[Remaining], at_once: int) -> TimeLeft:
    """The time until all jobs have ended, if ``at_once`` jobs run at a time.

    Jobs that run alone come after all others. The run takes at least as long as its longest job.
    """
    jobs = list(remaining)
    untimed = tuple(dict.fromkeys(one.group for one in jobs if one.seconds is None))
    timed = [(one, one.seconds) for one in jobs if one.seconds is not None]
    if jobs and not timed:
        return TimeLeft(None, untimed)
    beside = [(one.jobs * seconds, seconds) for one, seconds in timed if not one.alone]
    alone = sum(one.jobs * seconds for one, seconds in timed if one.alone)
    longest = max((seconds for _, seconds in beside), default=0.0)
    return TimeLeft(max(sum(total for total, _ in beside) / at_once, longest) + alone, untimed)


def left_text(seconds: float) -> str:
    """An estimate as text, such as ``about 2 min 10 s left``."""
    return f"about {rough_span(seconds)} left" if seconds >= 1 else "done any moment now"


def rough_span(seconds: float) -> str:
    """An estimated duration, no finer than it can be known: ``12 s``, ``2 min 10 s``, ``45 min`` or ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return span(round(seconds / 10) * 10)
    return f"{round(seconds / 60)} min" if seconds < 3570 else span(round(seconds / 60) * 60)


def span(seconds: float) -> str:
    """A duration as text, such as ``0.4 s``, ``12 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
