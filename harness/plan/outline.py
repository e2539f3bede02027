"""The counts of a plan, kept in the cache folder so that the same study can be shown again without planning it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import registry
from harness.data.base import Dataset
from harness.data.cache import entry_key
from harness.errors import InputError
from harness.memo import Memo, cache_folder
from harness.plan.plan import Plan
from harness.plan.timings import sample_passes, timing_key
from harness.reading import read_text
from harness.results.plan_records import labelled_counts
from harness.study import MAX_TRIALS
from harness.yaml.limits import MAX_BYTES


@dataclass(frozen=True)
class Outline:
    """The counts of a plan.

    jobs: key → data set, method and kind, which is "search" for the jobs of a search. needs: key → keys of the jobs
    that it needs, if any. needs_ray: key → why the job can't be run with --inline, if it can't. work: key → timing key
    and sample passes, see `harness.plan.timings`. threads: of one job. max_concurrent: the most jobs at a time.
    repeats: data set → its numbers of methods, seeds and folds. offline: keys of the jobs that are carried to a
    device in a bundle. waiting: trials whose options are not chosen yet by a search. models: keys of the jobs that
    keep their models. shared: jobs saved by sharing. labelled: data set → the numbers of labelled samples of its
    trials, ascending. folds: data set → for each fold, part → its subjects.
    """

    study: str
    jobs: dict[str, list[str]]
    needs: dict[str, list[str]]
    needs_ray: dict[str, str]
    work: dict[str, list[Any]]
    threads: int
    max_concurrent: int | None
    repeats: dict[str, dict[str, int]]
    offline: list[str]
    trials: int
    waiting: int
    models: list[str]
    shared: int
    searched: int
    cautions: list[str]
    labelled: dict[str, list[int]]
    folds: dict[str, list[dict[str, list[int]]]]


def outline(plan: Plan) -> Outline:
    """The outline of a plan."""
    return Outline(
        study=plan.study.file.study,
        jobs={key: [job.about["dataset"], job.about["method"], job.shown_kind] for key, job in plan.jobs.items()},
        needs={key: list(job.needs) for key, job in plan.jobs.items() if job.needs},
        needs_ray=plan.needs_ray,
        work={key: [timing_key(job), sample_passes(job)] for key, job in plan.jobs.items() if job.kind != "profile"},
        threads=plan.study.file.threads,
        max_concurrent=plan.study.file.max_concurrent,
        repeats={name: _repeats(plan, name) for name in plan.about_data},
        offline=[key for key, job in plan.jobs.items() if job.attachment == "offline"],
        trials=len(plan.trials),
        waiting=sum(trial.key is None for trial in plan.trials),
        models=[key for key, job in plan.jobs.items() if job.keep_model],
        shared=plan.shared,
        searched=len(plan.searched) if plan.searching else 0,
        cautions=plan.cautions,
        labelled=labelled_counts(plan.trials),
        folds={dataset: about["folds"] for dataset, about in plan.about_data.items() if about["folds"]},
    )


def _repeats(plan: Plan, dataset: str) -> dict[str, int]:
    trials = [trial for trial in plan.trials if trial.dataset == dataset]
    return {
        "methods": len({trial.method for trial in trials}),
        "seeds": len({trial.seed for trial in trials}),
        "folds": len(plan.about_data[dataset]["folds"] or ()),
    }


class OutlineMemo:
    """The outline of the plan of a study with overrides, for the data in a folder.

    It is valid as long as the files of the data sets are unchanged. The plan of a study with a search or a label list
    depends on other files as well, so its outline is not kept.
    """

    def __init__(self, path: Path, overrides: Sequence[str], data_root: Path | None, max_trials: int = MAX_TRIALS):
        try:
            text = read_text(path, MAX_BYTES)
        except (OSError, UnicodeDecodeError, InputError):  # reported when the study is read
            text = ""
        self._root = data_root
        about = [str(path), text, list(overrides), max_trials, str(data_root and data_root.resolve())]
        self._memo = Memo("plans", about)

    def read(self) -> Outline | None:
        """The outline; None if it is not kept or if the files of the data sets have changed."""
        found = self._memo.read()
        if found is None:
            return None
        try:
            keys = [self._key(_dataset(*dataset)) for dataset in found["datasets"]]
        except InputError:  # missing files are reported by planning
            return None
        return Outline(**found["outline"]) if keys == found["keys"] else None

    def write(self, plan: Plan) -> Outline:
        """Keep the outline of a plan, and return it."""
        made = outline(plan)
        if not plan.study.file.search and not plan.label_lists:
            about = [[each.name, each.options.to_json(), each.argument] for each in plan.datasets]
            keys = [self._key(each) for each in plan.datasets]
            self._memo.write({"datasets": about, "keys": keys, "outline": asdict(made)})
        return made

    def _key(self, dataset: Dataset) -> str:
        return entry_key(dataset, dataset.sources(self._root), cache_folder())


def _dataset(name: str, options: Any, argument: str) -> Dataset:
    kind = registry.get("datasets", name)
    made: Dataset = kind(kind.Options.from_plain(options), argument)
    return made
