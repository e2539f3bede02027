"""How numbers, options and counts are said, the same in every table, figure and sentence."""

from __future__ import annotations

import json
from typing import Any

from reports.cleaning import clean as remove_unseen
from reports.document import MetricCell, Note
from reports.run import Group, Metric, Point, Run, is_number, plain_value

SHARES = frozenset({"label_rate"})  # swept options that read best as per cent


def clean(text: Any) -> str:
    """Text without control characters; documents clean all text that they are made of, so only other uses need this."""
    return str(remove_unseen(str(text)))


def number(value: float, digits: int = 1) -> str:
    """A number with a true minus sign.

    >>> number(-1.25, 2)
    '−1.25'
    """
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def percent(share: float) -> str:
    """A share as per cent, without the sign.

    >>> percent(0.4931)
    '49.3'
    """
    return number(100 * share)


def option_title(option: str) -> str:
    """An option's name as words where it has no dot (a dotted one is said as it is typed).

    >>> option_title("label_rate"), option_title("cosmo.lambda")
    ('label rate', 'cosmo.lambda')
    """
    return clean(option) if "." in option else clean(option).replace("_", " ")


def value_text(value: Any, option: str = "") -> str:
    """An option's value.

    >>> value_text(0.05, "label_rate"), value_text(100.0), value_text(None), value_text([1, 2]), value_text(True)
    ('5 %', '100', 'null', '[1, 2]', 'true')
    """
    value = plain_value(value)
    if is_number(value):
        return f"{100 * value:.6g} %" if option in SHARES else f"{value:.6g}"
    return clean(value) if isinstance(value, str) else clean(json.dumps(value, ensure_ascii=False, default=str))


def point_text(point: Point) -> str:
    """A point of a sweep in words; empty where nothing is swept."""
    return ", ".join(
        f"{option_title(option)} {value_text(value, option)}"
        for option, value in zip(point.options, point.values, strict=True)
    )


def count(n: int, noun: str) -> str:
    """
    >>> count(1, "seed"), count(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def listing(items: list[str]) -> str:
    """
    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def metric_text(measure: MetricCell) -> tuple[str, str, str]:
    """A measure as (figure, interval, remark): the remark says what is missing, and is empty if all was done."""
    remarks = []
    if measure.planned == 0:
        return "–", "", "not planned"
    if measure.done < measure.planned:
        remarks.append(f"{measure.done} of {count(measure.planned, 'seed')}")
    if measure.failed:
        remarks.append(f"{measure.failed} failed")
    if measure.mean is None:
        return "–", "", ", ".join(remarks)
    interval = "" if measure.half_width is None else f"± {percent(measure.half_width)}"
    return ("≈ " if measure.close else "") + percent(measure.mean), interval, ", ".join(remarks)


def seeds_text(groups: list[Group], metric: Metric) -> str:
    """What the cells of some groups are, over how many seeds; that there is no interval where one seed gives none."""
    counts = {len(group.values(metric)) for group in groups}
    planned = max((group.planned for group in groups), default=0)
    if planned <= 1:
        return "One seed: there is no interval, for one seed says nothing of the spread."
    fewer = "" if counts == {planned} else " (fewer where a cell says so)"
    return f"Mean ± half-width of the 95 % t-interval over {count(planned, 'seed')}{fewer}."


def status_notes(run: Run, dataset: str | None = None) -> tuple[Note, ...]:
    """The cautions that go with every table and figure: leakage, trials still to come, trials that failed (on one data set)."""
    notes = []
    total, pending = len(run.trials), run.count("pending")
    failures = [trial for trial in run.failures() if dataset in (None, trial["dataset"])]
    if run.oracle:
        notes.append(
            Note(
                "Leakage: select: oracle picked each epoch by its test accuracy, so these figures are too high.",
                "error",
            )
        )
    if pending:
        notes.append(
            Note(
                f"Not finished: {pending} of the run's {count(total, 'trial')} still to come, any figure may change.",
                "warning",
            )
        )
    if failures:
        where = f" on {clean(dataset)}" if dataset else f" of {total}"
        notes.append(
            Note(
                f"Failed: {count(len(failures), 'trial')}{where}; means are over the others, each cell says where.",
                "error",
            )
        )
    return tuple(notes)
