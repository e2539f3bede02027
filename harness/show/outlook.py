"""What to expect of a run before it starts: how long it takes, and what its repeats can show."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from harness.plan.timings import known_timings
from harness.provenance import usable_cores
from harness.show.estimate import Remaining, TimeLeft, estimate, rough_span
from reports.run import subject_overlap

if TYPE_CHECKING:
    from harness.plan.outline import Outline

POINTS = 5  # an example of the standard deviation of a paired difference, in points of accuracy


def outlook(plan: Outline, todo: Collection[str], inline: bool = False) -> Iterator[str]:
    """Sentences on the time that the jobs ``todo`` take on this machine, and on what the repeats can show.

    inline: they run one after another.
    """
    if todo:
        yield _time_text(plan, todo, 1 if inline else jobs_at_once(plan))
    for dataset, repeats in plan.repeats.items():
        if repeats["methods"] > 1:
            yield f"{dataset}: {repeats_text(**repeats, overlap=subject_overlap(plan.folds.get(dataset, ())))}"


def jobs_at_once(plan: Outline) -> int:
    """How many jobs run at a time on Ray on this machine."""
    fitting = max(1, usable_cores() // plan.threads)
    return min(fitting, plan.max_concurrent or fitting)


def _time_text(plan: Outline, todo: Collection[str], at_once: int) -> str:
    left = time_expected(plan, todo, known_timings(), at_once)
    jobs = "one job" if at_once == 1 else f"{at_once} jobs"
    beside = f"with {jobs} at a time on this machine, as timed in earlier runs"
    if left.seconds is None:
        return "time: not known, since no such job has run on this machine yet"
    if left.untimed:
        return f"time: at least {rough_span(left.seconds)} {beside} (not timed yet: {', '.join(left.untimed)})"
    return f"time: about {rough_span(left.seconds)} {beside}"


def time_expected(plan: Outline, todo: Collection[str], timings: Mapping[str, float], at_once: int) -> TimeLeft:
    """The time until all jobs have ended. timings: seconds for each pass of a sample, by timing key."""
    remaining = []
    for key in todo:
        _, method, kind = plan.jobs[key]
        timing, passes = plan.work.get(key, ["", 0.0])
        seconds = timings[timing] * passes if timing in timings else None
        remaining.append(Remaining(f"{kind} {method}", seconds))
    return estimate(remaining, at_once)


def repeats_text(methods: int, seeds: int, folds: int, overlap: float = 0.0) -> str:
    """What so many repeats can show of differences between methods.

    overlap: of the folds, see `reports.run.subject_overlap`; if it is not 0, no test is made.

    >>> repeats_text(methods=9, seeds=5, folds=0)[:81]
    '5 seeds on one split: no p value below 0.05 is possible for the 8 comparisons wit'
    """
    from reports.statistics import LEAST_FOR_INTERVAL, detectable_difference, runs_to_reject

    blocks, comparisons = folds or seeds, methods - 1
    unit = "fold" if folds else "seed"
    repeats = f"{blocks} {unit}s" if blocks > 1 else f"one {unit}"
    repeats += f" of {seeds} seeds each" * (folds > 0 and seeds > 1) + " on one split" * (not folds)
    if overlap:
        return f"{repeats}: no p values, because the folds share test subjects"
    needed = runs_to_reject(comparisons)
    parts = []
    if blocks < needed:
        of = "comparison" if comparisons == 1 else f"{comparisons} comparisons"
        parts.append(f"no p value below 0.05 is possible for the {of} with the reference (at least {needed} {unit}s)")
    if blocks < LEAST_FOR_INTERVAL:
        parts.append(f"there are no intervals (at least {LEAST_FOR_INTERVAL} {unit}s)")
    else:
        least = detectable_difference(blocks)
        parts.append(
            f"differences below {least:.1f} standard deviations of a paired difference may well be missed "
            f"({least * POINTS:.0f} points if that is {POINTS})"
        )
    return f"{repeats}: {'; '.join(parts)}"
