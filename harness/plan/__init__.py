"""From a study to its jobs: a pure function of the study, the fingerprints of its data and, for a search, its records.

A job's key is the hash of everything that can change its result, and of nothing else. Two trials therefore share
whatever they have in common without a rule for it: λ is not in the content of stage 1, so the trials of a sweep of λ
share their pre-training.

A study with a search is planned twice: first the jobs of the search, then, from their records, the trials.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import InputError, Problem, StudyError, did_you_mean
from harness.plan.plan import Plan
from harness.results.records import Record
from harness.study import Study

__all__ = ["Plan", "make_plan"]


def make_plan(study: Study, data_root: Path | None, record: Callable[[str], Record | None] = lambda key: None) -> Plan:
    """Plan a checked study. Each data set is parsed, or read from the cache.

    record: returns the record of a key, which a search chooses from. Raises `StudyError` with a problem for each data
    set that can't be used as the study asks.
    """
    from harness.plan.dataset import DatasetPlanner  # it imports torch, which a plan that is only shown may not need

    plan = Plan(study)
    problems: list[Problem] = []
    for index, entry in enumerate(study.file.datasets):
        where = study.located.location(("datasets", index))
        try:
            DatasetPlanner(plan, entry, data_root, record).plan_all()
        except StudyError as error:
            problems += error.problems
        except InputError as error:
            problems.append(Problem(where, f"datasets.{index}", str(error)))
    reference = study.file.reference
    if not problems and reference and reference not in plan.titles:
        where, hint = study.located.location(("reference",)), did_you_mean(reference, plan.titles)
        problems.append(Problem(where, "reference", f"{reference!r} is not a method or a variant of this study", hint))
    if problems:
        raise StudyError(list(dict.fromkeys(problems)))
    if study.file.keep_models and study.file.select != "last":
        plan.cautions.append(
            f"keep_models keeps the model of the last epoch, and select: {study.file.select} reports the best one, "
            "so harness predict may give another accuracy than the report"
        )
    plan.cautions = list(dict.fromkeys(plan.cautions))
    # the longest jobs, which others wait for, come first; profile jobs come last, when nothing else runs
    plan.jobs = dict(sorted(plan.jobs.items(), key=lambda item: ("pretrain", "train", "profile").index(item[1].kind)))
    return plan
