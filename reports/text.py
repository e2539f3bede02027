"""The wording of numbers, options and counts, shared by all tables, figures and sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from reports.document import MetricCell, Note
from reports.run import Group, Metric, Point, RunData, is_number, plain_value

LARGEST_INTEGER = 1e15  # that is written with all digits
IN_PER_CENT = frozenset({"label_rate"})  # options whose values are shown in per cent


def number(value: float, digits: int = 1) -> str:
    """A number with a true minus sign.

    >>> number(-1.25, 2)
    '−1.25'
    """
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def percent(share: float) -> str:
    """A fraction in per cent, without the sign.

    >>> percent(0.4931)
    '49.3'
    """
    return number(100 * share)


def option_title(option: str) -> str:
    """The name of an option in words; a dotted name is shown as in a study file.

    >>> option_title("label_rate"), option_title("cosmo.lambda")
    ('label rate', 'cosmo.lambda')
    """
    return option if "." in option else option.replace("_", " ")


def value_text(value: Any, option: str = "") -> str:
    """The value of an option.

    >>> value_text(0.05, "label_rate"), value_text(20_000_000), value_text(None), value_text([1, 2]), value_text(True)
    ('5 %', '20000000', 'null', '[1, 2]', 'true')
    """
    value = plain_value(value)
    if is_number(value):
        if option in IN_PER_CENT:
            return f"{100 * value:.6g} %"
        return f"{value:.0f}" if float(value).is_integer() and abs(value) < LARGEST_INTEGER else f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def point_text(point: Point) -> str:
    """A point of a sweep with the names of its options: ``label rate 5 %``; empty if nothing is swept."""
    pairs = zip(point.options, point.values, strict=True)
    return ", ".join(f"{option_title(option)} {value_text(value, option)}" for option, value in pairs)


def point_values(point: Point, separator: str = " / ") -> str:
    """The values of a point of a sweep without the names of its options; empty if nothing is swept."""
    return separator.join(value_text(value, option) for option, value in zip(point.options, point.values, strict=True))


def where_text(dataset: str, point: Point) -> str:
    """A data set and a point of its sweep: ``at label rate 5 % on usc-had``."""
    return f"at {point_text(point)} on {dataset}" if point.options else f"on {dataset}"


def capitalised(text: str) -> str:
    """A text with a capital first letter; the rest is not changed."""
    return text[:1].upper() + text[1:]


def count(n: int, noun: str, plural: str = "") -> str:
    """A number with its noun, singular or plural.

    >>> count(1, "seed"), count(3, "seed"), count(2, "study", "studies")
    ('1 seed', '3 seeds', '2 studies')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {plural or noun + 's'}"


def count_range(counts: Iterable[float | None]) -> str:
    """The range of the counts that are known; a dash if none is.

    >>> count_range([27, 54, None, 27]), count_range([27, 27]), count_range([None])
    ('27 to 54', '27', '–')
    """
    known = [int(count) for count in counts if count is not None]
    ends = dict.fromkeys((min(known), max(known))) if known else {}
    return " to ".join(map(str, ends)) or "–"


def listing(items: list[str], word: str = "and") -> str:
    """Items as an enumeration in a sentence.

    >>> listing(["a", "b", "c"]), listing(["a", "b"], "or")
    ('a, b and c', 'a or b')
    """
    return f" {word} ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def named(names: list[str], most: int = 4) -> list[str]:
    """At most this many names, and the number of the others, for `listing`. A single other one is named.

    >>> listing(named(["a", "b", "c"], 2)), listing(named(["a", "b", "c", "d"], 2), "or")
    ('a, b and c', 'a, b or 2 others')
    """
    others = len(names) - most
    return names if others < 2 else [*names[:most], f"{others} others"]


def first_few(names: Sequence[str], most: int = 3, separator: str = ", ") -> str:
    """The first few names and the number of the others.

    >>> first_few(["a", "b", "c"]), first_few(["a", "b", "c", "d"])
    ('a, b, c', 'a, b and 2 more')
    """
    if len(names) <= most:
        return separator.join(names)
    return f"{separator.join(names[: most - 1])} and {len(names) - most + 1} more"


def metric_text(cell: MetricCell) -> tuple[str, str, str]:
    """The text of a cell: (mean, interval, remark). The remark counts missing trials; it is empty if all are done."""
    if cell.planned == 0:
        return "–", "", "not planned"
    remarks = [f"{cell.done} of {count(cell.planned, cell.unit)}"] if cell.done < cell.planned else []
    remarks += [f"{cell.failed} failed"] if cell.failed else []
    if cell.mean is None:
        return "–", "", ", ".join(remarks)
    interval = "" if cell.half_width is None else f"± {percent(cell.half_width)}"
    return ("≈ " if cell.close else "") + percent(cell.mean), interval, ", ".join(remarks)


def seeds_text(groups: list[Group], metric: Metric) -> str:
    """Explains the means and intervals of some groups: over how many seeds or folds, and what varies over them."""
    counts = {len(group.values(metric)) for group in groups}
    largest = max(groups, key=lambda group: group.n_blocks, default=None)
    if largest is None or largest.n_blocks <= 1:
        return "No interval with a single seed."
    fewer = "" if counts == {largest.n_blocks} else " (fewer where a cell says so)"
    blocks = f"{count(largest.n_blocks, largest.unit)}{fewer}"
    if max(counts) < 3:
        return f"Mean over {blocks}; no interval with fewer than three."
    over = f"Mean ± half-width of the 95 % t-interval over {blocks}"
    if largest.unit == "seed":
        return f"{over}, that is over draws of labelled samples and initialisation, not over subjects."
    each = f", each the mean of {count(largest.planned // largest.n_blocks, 'seed')}"
    corrected = ", and corrected for test subjects that folds share" if largest.overlap else ""
    return f"{over}{each}, that is over test subjects, draws of labelled samples and initialisation{corrected}."


def selection_text(run: RunData, dataset: str | None = None) -> str:
    """How many labelled validation samples options or epochs were chosen by; empty if none.

    dataset: of the trials on this data set only.
    """
    used = {method: [0] for method in run.methods}
    for trial in run.rows:
        if dataset in (None, trial["dataset"]):
            used[trial["method"]].append(int(trial.get("n_validation_labels") or 0))
    counts = sorted({n for numbers in used.values() for n in numbers} - {0})
    if not counts:
        return ""
    labels = (
        count(counts[0], "validation label") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} validation labels"
    )
    search = run.study.get("search")
    who = "Tuned on" if search else "Epochs selected on"
    others = [run.title(method) for method, numbers in used.items() if not any(numbers)]
    but = f" (not {listing(others, 'or')})" if others else ""
    refit = search and search.get("refit")
    beside = (
        "with which the trials were then trained as well" if refit else "in addition to the labelled training samples"
    )
    return f"{who} {labels}{but}, {beside}."


def mixed_notes(run: RunData) -> tuple[Note, ...]:
    """A warning if the trials of a run did not all run with the same version of torch or on the same processor."""
    mixed = run.study.get("mixed") or {}
    if not mixed:
        return ()
    what = "; ".join(f"{name}: {listing(list(values))}" for name, values in mixed.items())
    text = (
        f"Mixed: the jobs did not all run in the same environment ({what}). This changes results, usually in the last "
        "digits, so part of the differences between trials may be due to it."
    )
    return (Note(text, "warning"),)


def score_notes(run: RunData, dataset: str | None = None) -> tuple[Note, ...]:
    """The notes for every table and figure with scores: labels used for selection, and leakage.

    dataset: only of this data set's trials, where they are about trials.
    """
    notes = []
    if text := selection_text(run, dataset):
        notes.append(Note(text))
    if run.oracle:
        text = "Leakage: with select: oracle, epochs were selected by test accuracy, so these scores are too high."
        notes.append(Note(text, "error"))
    return tuple(notes)


def missing_notes(run: RunData) -> tuple[Note, ...]:
    """The notes on the trials of a run that have no results: those that are pending and those that failed."""
    notes, total, pending, failed = [], len(run.trials), run.count("pending"), len(run.failures())
    if pending:
        are = "is" if pending == 1 else "are"
        trials = f"{pending} of the run's {count(total, 'trial')}"
        notes.append(Note(f"Not finished: {trials} {are} pending, so all results may still change.", "warning"))
    if failed:
        text = f"Failed: {count(failed, 'trial')} of {total}. Means are over the others; the affected cells say so."
        notes.append(Note(text, "error"))
    return tuple(notes)
