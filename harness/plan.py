"""From a study to its jobs: a pure function of the study, of the data's fingerprints and, where it searches, of the search's records.

A job's key is the hash of all that can change its result, and of nothing else. Whatever two trials have in common is
therefore shared without a rule of its own: λ is not in stage 1's content, so a sweep of λ shares its pre-training.

A study that searches is planned twice: first the search's jobs, then, from the records that these leave, its own trials.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from harness import registry
from harness.data import cache
from harness.data.base import Dataset, Recordings
from harness.data.splits import draw_labelled, draw_unlabelled, labelled_from_list, resolve_split, split_indices
from harness.errors import InputError, Problem, StudyError, did_you_mean
from harness.jobs import Job
from harness.keys import array_key, content_key
from harness.method import Method, Task
from harness.results.records import PlannedTrial, Record
from harness.search import Candidate, Tuning, draw
from harness.study import DatasetEntry, Settings, Study
from harness.study.edge import VERSION as PROFILE_VERSION
from harness.study.settings import fields_in_force
from harness.study.space import Dimension
from harness.training import VERSION as TRAINING_VERSION

Point = dict[str, Any]


@dataclass
class Plan:
    """The trials of a study and the jobs that they need, each job once and after those it needs."""

    study: Study
    trials: list[PlannedTrial] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    tunings: list[Tuning] = field(default_factory=list)
    asked: int = 0  # how many jobs it would take without sharing
    data: dict[str, Recordings] = field(default_factory=dict)
    about_data: dict[str, dict[str, Any]] = field(default_factory=dict)
    in_force: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    cautions: list[str] = field(default_factory=list)  # worth a line before the run starts

    @property
    def shared(self) -> int:
        """How many jobs sharing has saved: without it each trial would run its own."""
        return self.asked - len(self.jobs)

    @property
    def searching(self) -> bool:
        """Whether these are a search's jobs, of which the jobs of some trials are still to follow."""
        return any(not tuning.settled for tuning in self.tunings)

    def is_settled(self, key: str, record: Record | None) -> bool:
        """Whether a job need not run: it is done, or was stopped early and only a search wanted it."""
        if record is None or record.status != "stopped":
            return record is not None and record.status == "done"
        return any(c.key == key and c.status == "stopped" for t in self.tunings for c in t.candidates) and all(
            trial.key != key for trial in self.trials
        )

    def to_json(self) -> dict[str, Any]:
        """What the ledger keeps as plan.json."""
        file = self.study.file
        return {
            "study": file.study,
            "select": file.select,
            "sweep": {entry.name: file.sweep_of(entry) for entry in file.datasets},
            "methods": list(dict.fromkeys(trial.method for trial in self.trials)),
            "titles": self.titles,
            "seeds": file.seeds,
            "data": self.about_data,
            "trials": [trial.model_dump() for trial in self.trials],
            "jobs": {
                key: {
                    "kind": "search" if "search" in job.about else job.kind,
                    "title": job.title,
                    "needs": list(job.needs),
                }
                for key, job in self.jobs.items()
            },
            "search": self._search_json(),
        }

    def _search_json(self) -> dict[str, Any] | None:
        """What was searched under which budget, every draw with what came of it, and the choices."""
        if not (search := self.study.file.search):
            return None
        return {
            **search.to_json(),
            "seed": self.study.file.search_seed,
            "tunings": [tuning.to_json() for tuning in self.tunings],
        }

    def study_json(self) -> dict[str, Any]:
        """What the ledger keeps as study.json: the text, and every value in force with its source."""
        file = self.study.file
        return {
            "study": file.study,
            "title": file.title,
            "question": file.question,
            "reference": file.reference,
            "file": str(self.study.path),
            "text": self.study.text,
            "overrides": list(self.study.overrides),
            "in_force": self.in_force,
        }


def make_plan(study: Study, data_root: Path | None, record: Callable[[str], Record | None] = lambda key: None) -> Plan:
    """Plan a checked study. Parses (or finds in the cache) each data set. record: a key's record, for what a search chooses.

    Raises `StudyError` that names, for each data set that can't be used as asked, where it stands and why.
    """
    plan = Plan(study)
    problems: list[Problem] = []
    for index, entry in enumerate(study.file.datasets):
        where = study.located.place(("datasets", index))
        try:
            _DatasetPlanner(plan, entry, data_root, record).plan_all()
        except StudyError as error:
            problems += error.problems
        except InputError as error:
            problems.append(Problem(where, f"datasets.{index}", str(error)))
    reference = study.file.reference
    if not problems and reference and reference not in plan.titles:
        where, hint = study.located.place(("reference",)), did_you_mean(reference, plan.titles)
        problems.append(Problem(where, "reference", f"{reference!r} is not a method or a variant of this study", hint))
    if problems:
        raise StudyError(list(dict.fromkeys(problems)))
    plan.cautions = list(dict.fromkeys(plan.cautions))
    # the longest and most needed first; what is measured last, when nothing else runs
    plan.jobs = dict(sorted(plan.jobs.items(), key=lambda item: ("pretrain", "train", "profile").index(item[1].kind)))
    return plan


@dataclass(frozen=True)
class _Material:
    """A data set's recordings with one split, for one seed: what draws and jobs start from."""

    recordings: Recordings
    dataset: Dataset
    parts: Mapping[str, np.ndarray]
    subjects: Mapping[str, list[int]]
    names: tuple[Any, ...]  # of every draw: the data set, the split; the seed follows


class _DatasetPlanner:
    """Plans the trials of one data set of a study."""

    def __init__(self, plan: Plan, entry: DatasetEntry, data_root: Path | None, record: Callable[[str], Record | None]):
        self.plan, self.entry, self.root, self.record = plan, entry, data_root, record
        self.study, self.file = plan.study, plan.study.file
        self.loaded: dict[str, tuple[Dataset, Recordings]] = {}
        self.checked: set[str] = set()
        self.drawn: dict[str, np.ndarray] = {}

    def plan_all(self) -> None:
        for name, point in product(self.file.methods, self._points()):
            method: Method = registry.get("methods", name)()
            settings = self.study.settings(self.entry, name, point)
            material = self._material(settings)
            task = Task(material.recordings.modalities, material.recordings.n_classes)
            self._note(method, settings, material)
            for variant in method.variants(task) or ("",):
                self._plan_variant(method, variant, point, settings, material)

    def _points(self) -> Iterator[Point]:
        sweep = self.file.sweep_of(self.entry)
        for values in product(*sweep.values()):
            yield dict(zip(sweep, values, strict=True))

    def _material(self, settings: Settings) -> _Material:
        options_key = content_key(settings.data_options.to_json())
        if options_key not in self.loaded:
            dataset = registry.get("datasets", self.entry.plugin)(settings.data_options, self.entry.argument)
            self.loaded[options_key] = dataset, cache.load(dataset, self.root)
        dataset, recordings = self.loaded[options_key]
        split, default = settings.general.split, dataset.default_split(recordings)
        subjects = resolve_split(recordings, split, default)
        if self.file.select == "validation" and not subjects["validation"]:
            raise InputError(
                f"select: validation needs validation subjects, {self.entry.name} has none; set split.validation"
            )
        if self.file.search and not subjects["validation"]:
            raise InputError(
                f"search needs validation subjects, {self.entry.name} has none; take some from those that train "
                f"({', '.join(map(str, subjects['train']))}): split: {{validation: [{subjects['train'][-1]}]}}"
            )
        parts = split_indices(recordings, split, default)
        return _Material(recordings, dataset, parts, subjects, (self.entry.name, content_key(subjects)))

    def _check_method(self, method: Method, settings: Settings, material: _Material) -> None:
        task = Task(material.recordings.modalities, material.recordings.n_classes)
        cautions = method.cautions(settings.stage2_options, settings.general.stage2.epochs)
        self.plan.cautions += [f"{method.name} on {self.entry.name}: {caution}" for caution in cautions]
        if len(task.modalities) < method.min_modalities:
            names = ", ".join(modality.name for modality in task.modalities)
            raise InputError(
                f"{method.name} needs {method.min_modalities} modalities, {self.entry.name} has only {names}"
            )
        options = [stage.to_json() if stage else None for stage in (settings.stage1_options, settings.stage2_options)]
        key = content_key([method.name, [modality.to_json() for modality in task.modalities], task.n_classes, options])
        if key not in self.checked:
            method.check(task, settings.stage1_options, settings.stage2_options)
        self.checked.add(key)

    def _note(self, method: Method, settings: Settings, material: _Material) -> None:
        """Keep what the report will say of the set-up."""
        models = {"": settings.general, "method": settings.stage1_options, "data": settings.data_options}
        found = fields_in_force(settings, models) | fields_in_force(settings, {"method": settings.stage2_options})
        for searched in self.study.searched(self.entry, method.name).values():
            found[".".join(searched.path)] = {"value": f"searched: {searched.dimension}", "source": searched.source}
        self.plan.in_force.setdefault(self.entry.name, {}).setdefault(method.name, found)
        recordings = material.recordings
        self.plan.about_data.setdefault(
            self.entry.name,
            {
                "title": material.dataset.title,
                "fingerprint": recordings.fingerprint,
                "modalities": [modality.to_json() for modality in recordings.modalities],
                "n_samples": recordings.n_samples,
                "n_classes": recordings.n_classes,
                "classes": list(recordings.classes),
                "subjects": material.subjects,
                "notes": dict(recordings.notes),
            },
        )
        self.plan.data[recordings.fingerprint] = recordings

    def _plan_variant(
        self, method: Method, variant: str, point: Point, settings: Settings, material: _Material
    ) -> None:
        """The trials of one variant, and before them their search."""
        shown = _shown(method, variant)
        self.plan.titles[shown] = f"{method.title} ({variant})" if variant else method.title
        chosen, error, known = {}, None, True
        if space := self.study.searched(self.entry, method.name):
            tuning = self._tune(
                method, variant, point, material, {option: searched.dimension for option, searched in space.items()}
            )
            self.plan.tunings.append(tuning)
            known, error = tuning.chosen is not None, tuning.error
            if tuning.chosen:
                chosen = dict(tuning.chosen.values)
                settings = self.study.settings(self.entry, method.name, {**point, **chosen}, "search")
        elif self.file.search:
            self.plan.cautions.append(
                f"{method.name} on {self.entry.name}: nothing in search.space concerns it: it is not tuned"
            )
        if not space:
            self._check_method(method, settings, material)
        for seed in self.file.seeds:
            key, stage1 = (
                self._jobs(method, variant, seed, settings, material, {"point": point}) if known else (None, None)
            )
            counts = {part: len(rows) for part, rows in self._samples(method, settings, material, seed).items()}
            profiles = self._profiles(self.plan.jobs[key], settings.general.label_rate, material) if key else {}
            self.plan.trials.append(
                PlannedTrial(
                    dataset=self.entry.name,
                    method=shown,
                    seed=seed,
                    point=point,
                    key=key,
                    stage1_key=stage1,
                    counts=counts,
                    chosen=chosen,
                    error=error,
                    profile_keys=profiles,
                )
            )

    def _tune(
        self, method: Method, variant: str, point: Point, material: _Material, space: Mapping[str, Dimension]
    ) -> Tuning:
        """Plan the search's jobs of one variant, and tell what their records say so far."""
        search, seed, candidates = self.file.search, self.file.search_seed, []
        assert search is not None
        for number in range(1, search.trials + 1):
            values = draw(space, seed, number)
            settings = self.study.settings(self.entry, method.name, {**point, **values}, f"search, draw {number}")
            self._check_method(method, settings, material)
            about = {"point": point, "search": {"number": number, "values": values}}
            key, _ = self._jobs(method, variant, seed, settings, material, about)
            record = self.record(key)
            if record and record.status == "stopped" and search.scheduler == "none":
                record = None  # an earlier search had a scheduler: this one wants the job whole
            candidates.append(Candidate(number, values, key).judged(record, self.file.select))
        return Tuning(self.entry.name, _shown(method, variant), point, tuple(candidates))

    def _samples(self, method: Method, settings: Settings, material: _Material, seed: int) -> dict[str, np.ndarray]:
        """The rows of each part, and those that a trial's stages learn from."""
        names = (*material.names, seed)
        labelled = self._labelled(settings, material, names)
        unlabelled = draw_unlabelled(material.parts["train"], labelled, settings.general.unlabeled, *names)
        return {**material.parts, "labelled": labelled, "unlabelled": unlabelled if method.Stage1 else unlabelled[:0]}

    def _jobs(
        self, method: Method, variant: str, seed: int, settings: Settings, material: _Material, wanted: dict[str, Any]
    ) -> tuple[str, str | None]:
        """Add the jobs that train one variant with one seed. wanted: what for. Returns the key of the train job, and of stage 1."""
        names, general = (*material.names, seed), settings.general
        samples = self._samples(method, settings, material, seed)
        about = {"study": self.file.study, "dataset": self.entry.name, "seed": seed}
        stage1 = None
        if method.Stage1:
            indices = {part: samples[part] for part in ("train", "unlabelled")}
            asked: dict[str, Any] = {"options": settings.stage1_options, "settings": general.stage1.content()}
            content = self._content("pretrain", method, asked, material, names, indices)
            about1 = {**about, "method": method.name, "gpus": general.stage1.gpus_per_worker}
            stage1 = self._add(content, about1, material, indices, ())
        indices = {part: rows for part, rows in samples.items() if part != "unlabelled"}
        asked = {
            "options": settings.stage2_options,
            "settings": general.stage2.content(),
            "row": variant,
            "stage1": stage1,
        }
        content = self._content("train", method, asked, material, names, indices)
        about = {**about, "method": _shown(method, variant), **wanted}
        return self._add(content, about, material, indices, (stage1,) if stage1 else ()), stage1

    def _profiles(self, trial: Job, label_rate: float, material: _Material) -> dict[str, str]:
        """Add the profile jobs of a trial: on each device the same training and the model that it leaves. Device → key."""
        edge, keys = self.file.edge, {}
        if edge is None or not edge.wants(
            trial.content["method"]["name"], label_rate, trial.about["seed"], self.file.seeds[0]
        ):
            return {}
        for device in edge.devices:
            asked = {"measuring": edge.measuring.to_json(), "device": device.runs_on, "on": device.name}
            content = {**trial.content, "kind": "profile", "profile": PROFILE_VERSION, "trial": trial.key, **asked}
            about = {**trial.about, "device": {**device.to_json(), "way": device.attachment}}
            keys[device.name] = self._add(content, about, material, trial.indices, trial.needs)
        return keys

    def _labelled(self, settings: Settings, material: _Material, names: tuple[Any, ...]) -> np.ndarray:
        """The labelled samples, drawn once: the same for every method."""
        key = content_key(
            [material.recordings.fingerprint, settings.general.label_rate, settings.general.label_list, names]
        )
        if key not in self.drawn:
            self.drawn[key] = self._draw(settings, material, names)
        return self.drawn[key]

    def _draw(self, settings: Settings, material: _Material, names: tuple[Any, ...]) -> np.ndarray:
        recordings, train = material.recordings, material.parts["train"]
        if settings.general.label_list is not None:
            samples = read_label_list(self.study.path.parent / settings.general.label_list, settings.general.label_rate)
            return labelled_from_list(recordings, samples, train)
        rate, pool = settings.general.label_rate, material.dataset.label_pool(recordings)
        return draw_labelled(
            recordings.label, train, recordings.n_classes, rate, pool, *names, classes=recordings.classes
        )

    def _content(
        self,
        kind: str,
        method: Method,
        asked: dict[str, Any],
        material: _Material,
        names: tuple[Any, ...],
        indices: Mapping[str, np.ndarray],
    ) -> dict[str, Any]:
        """All that can change a job's result, as JSON."""
        return {
            **asked,
            "options": asked["options"].to_json(),
            "kind": kind,
            "training": TRAINING_VERSION,
            "method": {"name": method.name, "version": method.version},
            "dataset": {"name": material.dataset.name, "version": material.dataset.version},
            "data": material.recordings.fingerprint,
            "samples": {part: array_key(rows) for part, rows in indices.items()},
            "seeds": list(names),
            "threads": self.file.threads,
            "device": self.file.device,
        }

    def _add(
        self,
        content: dict[str, Any],
        about: dict[str, Any],
        material: _Material,
        indices: Mapping[str, np.ndarray],
        needs: tuple[str, ...],
    ) -> str:
        """Add a job, unless one with the same content is there. Returns its key."""
        content = json.loads(json.dumps(content))  # as it will be read back: tuples are lists
        key = content_key(content)
        self.plan.asked += 1
        on_gpu = self.file.device == "cuda" and content["kind"] != "profile"  # a profile job has its whole device
        about = {**about, "gpus": (about.get("gpus") or 1) if on_gpu else 0}
        if key not in self.plan.jobs:
            self.plan.jobs[key] = Job(
                key, content["kind"], content, about, material.recordings.fingerprint, indices, needs
            )
        return key


def _shown(method: Method, variant: str) -> str:
    """The name of one variant."""
    return f"{method.name}:{variant}" if variant else method.name


def read_label_list(path: Path, rate: float) -> list[str]:
    """The sample names of a label list: a JSON list, or a JSON mapping of label rates in per cent to lists.

    Raises `InputError` that names the file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"label_list: {path} can't be read: {error}") from None
    if isinstance(content, dict):
        per_cent = f"{round(rate * 100, 6):g}"
        if per_cent not in content:
            raise InputError(f"label_list: {path} has no list for {per_cent} %; it has {', '.join(content)}")
        content = content[per_cent]
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise InputError(
            f"label_list: {path} is not a list of sample names, nor a mapping of label rates to such lists"
        )
    return content
