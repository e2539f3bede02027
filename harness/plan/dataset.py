"""Planning one data set of a study: its samples, its trials and their jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from harness import registry
from harness.data import cache
from harness.data.base import Dataset, Recordings
from harness.data.splits import (
    draw_labelled,
    draw_unlabelled,
    draw_validation,
    labelled_from_list,
    read_label_list,
    resolve_split,
    split_indices,
)
from harness.errors import InputError
from harness.jobs import Job, value_text
from harness.keys import array_key, content_key
from harness.method import Method, Task
from harness.options import Stage2
from harness.plan.model_checks import ModelChecks
from harness.plan.plan import Plan
from harness.results.plan_records import PlannedTrial
from harness.results.records import Record
from harness.search import Candidate, SearchTrial, Tuning, draw
from harness.study import DatasetEntry, Settings
from harness.study.edge import VERSION as PROFILE_VERSION
from harness.study.labels import LABEL_KEYS
from harness.study.model import General
from harness.study.settings import fields_in_force
from harness.study.space import Dimension
from harness.training import VERSION as TRAINING_VERSION


@dataclass(frozen=True)
class _Source:
    """The recordings of a data set under one split, which samples are drawn from."""

    recordings: Recordings
    dataset: Dataset
    parts: Mapping[str, np.ndarray]
    subjects: Mapping[str, list[int]]
    seed_names: tuple[Any, ...]  # data set and split; followed by the seed, they seed every draw

    @property
    def task(self) -> Task:
        return Task(self.recordings.modalities, self.recordings.n_classes)

    def to_json(self) -> dict[str, Any]:
        """The entry of a data set in plan.json."""
        recordings = self.recordings
        return {
            "title": self.dataset.title,
            "fingerprint": recordings.fingerprint,
            "modalities": [modality.to_json() for modality in recordings.modalities],
            "n_samples": recordings.n_samples,
            "n_unlabelled": recordings.n_unlabelled,
            "n_classes": recordings.n_classes,
            "classes": list(recordings.classes),
            "subjects": self.subjects,
            "notes": dict(recordings.notes),
        }


@dataclass(frozen=True)
class _Configuration:
    """A variant of a method at a point of the sweep, with its options: a trial without its seed."""

    method: Method
    variant: str
    point: Mapping[str, Any]
    settings: Settings
    source: _Source
    refit: bool = False  # whether stage 2 trains on the labelled validation samples as well

    @property
    def name(self) -> str:
        """The name used in tables."""
        return f"{self.method.name}:{self.variant}" if self.variant else self.method.name

    @property
    def title(self) -> str:
        return f"{self.method.title} ({self.variant})" if self.variant else self.method.title


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{option} {value_text(value)}" for option, value in values.items())


class DatasetPlanner:
    """Plans the trials of one data set of a study."""

    def __init__(self, plan: Plan, entry: DatasetEntry, data_root: Path | None, record: Callable[[str], Record | None]):
        self.plan, self.entry, self.root, self.record = plan, entry, data_root, record
        self.study, self.file = plan.study, plan.study.file
        self.loaded: dict[str, tuple[Dataset, Recordings]] = {}
        self.models = ModelChecks()
        self.drawn: dict[str, np.ndarray] = {}

    def plan_all(self) -> None:
        sweep = self.file.sweep_of(self.entry)
        points = [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]
        for name, point in product(self.file.methods, points):
            method: Method = registry.get("methods", name)()
            settings = self.study.settings(self.entry, name, point)
            source = self._source(settings)
            self._caution_of_fitted(method, sweep)
            self._store_values(method, settings, source)
            for variant in method.variants(source.task, settings.stage2_options) or ("",):
                self._plan_configuration(_Configuration(method, variant, point, settings, source))

    # -- the data set -----------------------------------------------------------------------------------------------

    def _source(self, settings: Settings) -> _Source:
        options_key = content_key(settings.data_options.to_json())
        if options_key not in self.loaded:
            dataset = registry.get("datasets", self.entry.plugin)(settings.data_options, self.entry.argument)
            self.loaded[options_key] = dataset, cache.load(dataset, self.root)
            self.plan.datasets.append(dataset)
        dataset, recordings = self.loaded[options_key]
        split, default = settings.general.split, dataset.default_split(recordings)
        subjects = resolve_split(recordings, split, default)
        if not subjects["validation"]:
            self._check_validation(subjects)
        parts = split_indices(recordings, split, default)
        names = (self.entry.name, content_key(subjects))
        if (n := settings.general.validation_labels) is not None:  # drawn once, for all methods and seeds
            drawn = draw_validation(recordings.label, parts["validation"], n, *names, self.file.search_seed)
            parts = {**parts, "validation": drawn}
        return _Source(recordings, dataset, parts, subjects, names)

    def _check_validation(self, subjects: Mapping[str, list[int]]) -> None:
        """Raise `InputError` if the study selects or searches by validation subjects."""
        if self.file.select == "validation":
            raise InputError(
                f"select: validation needs validation subjects, and {self.entry.name} has none; set split.validation"
            )
        if self.file.search:
            raise InputError(
                f"search needs validation subjects, and {self.entry.name} has none; take some of the training subjects "
                f"({', '.join(map(str, subjects['train']))}): split: {{validation: [{subjects['train'][-1]}]}}"
            )

    def _store_values(self, method: Method, settings: Settings, source: _Source) -> None:
        """Keep the values in force and the description of the data, for the report."""
        models = {"": settings.general, "method": settings.stage1_options, "data": settings.data_options}
        found = fields_in_force(settings, models) | fields_in_force(settings, {"method": settings.stage2_options})
        for searched in self.study.searched(self.entry, method.name).values():
            found[".".join(searched.path)] = {"value": f"searched: {searched.dimension}", "source": searched.source}
        self.plan.in_force.setdefault(self.entry.name, {}).setdefault(method.name, found)
        self.plan.about_data.setdefault(self.entry.name, source.to_json())
        self.plan.data[source.recordings.fingerprint] = source.recordings

    def _caution_of_fitted(self, method: Method, sweep: Iterable[str]) -> None:
        """Warn of swept settings of gradient descent that a classifier which is fitted once does not have."""
        names = [option for option in sweep if option.startswith("stage2.") and option[7:] not in Stage2.OF_FITTED]
        if method.fitted and names:
            swept, reason = ", ".join(names), "since the classifier is fitted once"
            self.plan.cautions.append(f"{method.name} on {self.entry.name}: {swept} has no effect, {reason}")

    # -- trials -----------------------------------------------------------------------------------------------------

    def _plan_configuration(self, config: _Configuration) -> None:
        """Plan the trials of one configuration, preceded by its search if it has one."""
        self.plan.titles[config.name] = config.title
        space, search = self.study.searched(self.entry, config.method.name), self.file.search
        if search is None or not space:
            self._check(config)
            if search:
                self.plan.cautions.append(
                    f"{config.method.name} on {self.entry.name} is not tuned: none of its options is in search.space"
                )
            return self._plan_trials(config)
        tuning = self._tune(config, {option: searched.dimension for option, searched in space.items()})
        self.plan.tunings.append(tuning)
        config = replace(config, refit=search.refit)
        if not tuning.chosen:
            return self._await_choice(config, tuning.error)
        chosen = dict(tuning.chosen.values)
        settings = self.study.settings(self.entry, config.method.name, {**config.point, **chosen}, "search")
        return self._plan_trials(replace(config, settings=settings), chosen)

    def _plan_trials(self, config: _Configuration, chosen: Mapping[str, Any] | None = None) -> None:
        """Plan a trial and its jobs for each seed. chosen: option → value chosen by the search."""
        for seed in self.file.seeds:
            key, stage1_key = self._train(config, seed, {"point": config.point})
            profiles = self._profile(self.plan.jobs[key], config)
            self._add_trial(config, seed, key=key, stage1_key=stage1_key, chosen=chosen or {}, profile_keys=profiles)

    def _await_choice(self, config: _Configuration, error: str | None) -> None:
        """Plan trials without jobs: their options are not chosen yet or, if there is an error, can't be."""
        for seed in self.file.seeds:
            self._add_trial(config, seed, key=None, stage1_key=None, error=error)

    def _add_trial(self, config: _Configuration, seed: int, **trial: Any) -> None:
        counts = {part: len(indices) for part, indices in self._samples(config, seed).items()}
        about: dict[str, Any] = {"dataset": self.entry.name, "method": config.name, "seed": seed, "point": config.point}
        tuned = self.study.searched(self.entry, config.method.name) or self.file.select == "validation"
        n_validation = len(config.source.parts["validation"]) if tuned else 0
        self.plan.trials.append(PlannedTrial(**about, counts=counts, validation_labels=n_validation, **trial))

    def _tune(self, config: _Configuration, space: Mapping[str, Dimension]) -> Tuning:
        """Plan the jobs of the search of one configuration, and evaluate those that have a record."""
        search, candidates = self.file.search, []
        assert search is not None
        for number in range(1, search.trials + 1):
            values = draw(space, self.file.search_seed, number)
            point, source = {**config.point, **values}, f"search, draw {number}"
            drawn = replace(config, settings=self.study.settings(self.entry, config.method.name, point, source))
            try:
                self._check(drawn)
            except InputError as error:
                raise InputError(f"{source} ({_listed(values)}): {error}") from None
            about = {"point": config.point, "search": {"number": number, "values": values}}
            trials = tuple(self._search_trial(drawn, seed, about) for seed in self.file.search_seeds)
            candidates.append(Candidate(number, values, trials))
        n_validation = len(config.source.parts["validation"])
        return Tuning(self.entry.name, config.name, config.point, tuple(candidates), n_validation)

    def _search_trial(self, config: _Configuration, seed: int, about: dict[str, Any]) -> SearchTrial:
        """Plan the jobs of a drawn configuration with one seed, and evaluate it if it has a record."""
        key, _ = self._train(config, seed, about)
        record = self.record(key)
        if record and record.status == "stopped" and self.file.search and self.file.search.scheduler == "none":
            record = None  # stopped early by an earlier search, but this one needs all epochs
        return SearchTrial(seed, key).judged(record, self.file.select)

    def _stage1(self, config: _Configuration) -> _Configuration:
        """The configuration whose stage 1 a trial starts from: its own, unless its method starts from another one's."""
        name = config.method.stage1_of(config.variant)
        if name is None:
            return config
        method, settings = registry.get("methods", name)(), self.study.settings(self.entry, name, config.point)
        return replace(config, method=method, variant="", settings=settings)

    def _check(self, config: _Configuration) -> None:
        """Raise `InputError` if the method can't be built with these options for this data set."""
        method, settings = config.method, config.settings
        cautions = method.cautions(settings.stage2_options, settings.general.stage2.epochs)
        self.plan.cautions += [f"{method.name} on {self.entry.name}: {caution}" for caution in cautions]
        self._check_models(config)

    def _check_models(self, config: _Configuration) -> None:
        stage1 = self._stage1(config)
        if stage1 is not config:
            self._check_models(stage1)
        method, settings, task = config.method, config.settings, config.source.task
        if len(task.modalities) < method.min_modalities:
            names = ", ".join(modality.name for modality in task.modalities)
            raise InputError(
                f"{method.name} needs {method.min_modalities} modalities, {self.entry.name} has only {names}"
            )
        start = None if stage1 is config else (stage1.method, stage1.settings)
        self.models.check(method, settings, task, config.variant, start)

    # -- samples ----------------------------------------------------------------------------------------------------

    def _samples(self, config: _Configuration, seed: int) -> dict[str, np.ndarray]:
        """The sample numbers of each part, and those that each stage of a trial learns from."""
        source, general = config.source, config.settings.general
        labelled = self._labelled(config, seed)
        names = (*source.seed_names, seed)
        unlabelled = draw_unlabelled(source.parts["train"], labelled, general.unlabeled, *names)
        parts = {**source.parts, "labelled": labelled}
        if config.refit:
            validation = source.parts["validation"]
            parts |= {"labelled": np.sort(np.concatenate([labelled, validation])), "validation": validation[:0]}
        return {**parts, "unlabelled": unlabelled if self._stage1(config).method.Stage1 else unlabelled[:0]}

    def _labelled(self, config: _Configuration, seed: int) -> np.ndarray:
        """The labelled samples, which are drawn once and are the same for every method."""
        general, names = config.settings.general, (*config.source.seed_names, seed)
        amounts = general.to_json()
        key = content_key([config.source.recordings.fingerprint, [amounts[name] for name in LABEL_KEYS], names])
        if key not in self.drawn:
            self.drawn[key] = self._draw_labelled(config.source, general, names)
        return self.drawn[key]

    def _draw_labelled(self, source: _Source, general: General, names: tuple[Any, ...]) -> np.ndarray:
        recordings, train = source.recordings, source.parts["train"]
        if general.label_list is not None:
            path = self.study.path.parent / general.label_list
            self.plan.label_lists.append(path)
            samples = read_label_list(path, general.label_rate)
            return labelled_from_list(recordings, samples, train)
        pool, classes = source.dataset.label_pool(recordings), recordings.classes
        return draw_labelled(
            recordings.label,
            train,
            recordings.n_classes,
            general.label_rate,
            pool,
            *names,
            labels=general.labels,
            labels_per_class=general.labels_per_class,
            classes=classes,
        )

    # -- jobs -------------------------------------------------------------------------------------------------------

    def _train(self, config: _Configuration, seed: int, purpose: dict[str, Any]) -> tuple[str, str | None]:
        """Add the jobs that train one configuration with one seed. Returns the keys of stage 2 and of stage 1.

        purpose: added to the ``about`` of the train job.
        """
        general, settings, stage1 = config.settings.general, config.settings, self._stage1(config)
        samples = self._samples(config, seed)
        about = {"study": self.file.study, "dataset": self.entry.name, "seed": seed}
        stage1_key = None
        if stage1.settings.stage1_options:
            indices = {part: samples[part] for part in ("train", "unlabelled")}
            content: dict[str, Any] = {
                "options": stage1.settings.stage1_options.content(),
                "settings": stage1.settings.general.stage1.content(),
            }
            content |= self._content("pretrain", stage1, seed, indices)
            gpus = stage1.settings.general.stage1.gpus_per_worker
            about1 = {**about, "method": stage1.method.name, "gpus": gpus}
            stage1_key = self._add(content, about1, config.source, indices)
        indices = {part: rows for part, rows in samples.items() if part != "unlabelled"}
        content = {"options": settings.stage2_options.content(), "settings": general.stage2.content()}
        content |= {"row": config.variant, "stage1": stage1_key, **self._content("train", config, seed, indices)}
        about = {**about, "method": config.name, **purpose}
        return self._add(content, about, config.source, indices, (stage1_key,) if stage1_key else ()), stage1_key

    def _profile(self, trial: Job, config: _Configuration) -> dict[str, str]:
        """Add the profile jobs of a trial, which train it again and time the trained model. Returns device → key."""
        edge, keys = self.file.edge, {}
        general, seed = config.settings.general, trial.about["seed"]
        if edge is None or not edge.includes(config.method.name, general.label_rate, seed, self.file.seeds[0]):
            return {}
        if edge.label_rates and (general.labels or general.labels_per_class):
            raise InputError("edge.label_rates selects trials by label_rate, but here another key sets their labels")
        for device in edge.devices:
            measuring = {"measuring": edge.measuring.to_json(), "device": device.runs_on, "on": device.name}
            content = {**trial.content, "kind": "profile", "profile": PROFILE_VERSION, "trial": trial.key, **measuring}
            about = {**trial.about, "device": {**device.to_json(), "way": device.attachment}}
            keys[device.name] = self._add(content, about, config.source, trial.indices, trial.needs)
        return keys

    def _content(
        self, kind: str, config: _Configuration, seed: int, indices: Mapping[str, np.ndarray]
    ) -> dict[str, Any]:
        """Everything except its options that can change the result of a job, as JSON."""
        source, method = config.source, config.method
        return {
            "kind": kind,
            "training": TRAINING_VERSION,
            "method": {"name": method.name, "version": method.version},
            "dataset": {"name": source.dataset.name, "version": source.dataset.version},
            "data": source.recordings.fingerprint,
            "samples": {part: array_key(rows) for part, rows in indices.items()},
            "seeds": [*source.seed_names, seed],
            "threads": self.file.threads,
            "device": self.file.device,
        }

    def _add(
        self,
        content: dict[str, Any],
        about: dict[str, Any],
        source: _Source,
        indices: Mapping[str, np.ndarray],
        needs: tuple[str, ...] = (),
    ) -> str:
        """Add a job unless there is one with the same content. Returns its key."""
        content = json.loads(json.dumps(content))  # as it will be read back, with lists for tuples
        key = content_key(content)
        self.plan.jobs_without_sharing += 1
        on_gpu = self.file.device == "cuda" and content["kind"] != "profile"  # a profile job has its whole device
        about = {**about, "gpus": (about.get("gpus") or 1) if on_gpu else 0}
        if key not in self.plan.jobs:
            data = source.recordings.fingerprint
            self.plan.jobs[key] = Job(key, content["kind"], content, about, data, indices, needs)
        return key
