"""Planning one data set of a study: its samples, its trials and their jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from harness import registry
from harness.errors import InputError
from harness.jobs import Job, value_text
from harness.keys import array_key, content_key
from harness.method import Method
from harness.options import Stage2
from harness.plan.model_checks import ModelChecks
from harness.plan.plan import Plan
from harness.plan.samples import DatasetSamples, SplitRecordings, about_data
from harness.results.plan_records import PlannedTrial
from harness.results.records import Record
from harness.search import Candidate, SearchTrial, Tuning, draw
from harness.study import DatasetEntry, Settings
from harness.study.edge import VERSION as PROFILE_VERSION
from harness.study.settings import fields_in_force
from harness.study.space import Dimension
from harness.training import VERSION as TRAINING_VERSION


@dataclass(frozen=True)
class _Configuration:
    """A variant of a method at a point of the sweep in a fold, with its options: a trial without its seed."""

    method: Method
    variant: str
    point: Mapping[str, Any]
    settings: Settings
    source: SplitRecordings
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
        self.plan, self.entry, self.record = plan, entry, record
        self.study, self.file = plan.study, plan.study.file
        self.samples = DatasetSamples(plan, entry, data_root)
        self.models = ModelChecks()
        self.trained: list[tuple[_Configuration, str]] = []  # with the key of each train job

    def plan_all(self) -> None:
        sweep = self.file.sweep_of(self.entry)
        points = [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]
        for name, point in product(self.file.methods, points):
            method: Method = registry.get("methods", name)()
            settings = self.study.settings(self.entry, name, point)
            sources = self.samples.read(settings.data_options, settings.general)
            self._caution_of_fitted(method, sweep)
            self._store_values(method, settings, sources)
            variants = method.variants(sources[0].task, settings.stage2_options) or ("",)
            for variant, source in product(variants, sources):
                self._plan_configuration(_Configuration(method, variant, point, settings, source))
        self._caution_of_sweep(sweep)

    def _store_values(self, method: Method, settings: Settings, sources: list[SplitRecordings]) -> None:
        """Keep the values in force and the description of the data, for the report."""
        self.plan.data[sources[0].recordings.fingerprint] = sources[0].recordings
        if method.name in self.plan.in_force.get(self.entry.name, {}):
            return
        models = {"": settings.general, "method": settings.stage1_options, "data": settings.data_options}
        found = fields_in_force(settings, models) | fields_in_force(settings, {"method": settings.stage2_options})
        for searched in self.study.searched(self.entry, method.name).values():
            found[".".join(searched.path)] = {"value": f"searched: {searched.dimension}", "source": searched.source}
        found |= {f"folds.{name}": asdict(leaf) for name, leaf in self.study.folds_in_force(self.entry).items()}
        self.plan.in_force.setdefault(self.entry.name, {}).setdefault(method.name, found)
        self.plan.about_data.setdefault(self.entry.name, about_data(sources))

    def _caution_of_fitted(self, method: Method, sweep: Iterable[str]) -> None:
        """Warn of swept settings of gradient descent that a classifier which is fitted once does not have."""
        names = [option for option in sweep if option.startswith("stage2.") and option[7:] not in Stage2.OF_FITTED]
        if method.fitted and names:
            swept, reason = ", ".join(names), "since the classifier is fitted once"
            self.plan.cautions.append(f"{method.name} on {self.entry.name}: {swept} has no effect, {reason}")

    def _caution_of_sweep(self, sweep: Mapping[str, list[Any]]) -> None:
        """Warn of swept options whose values give the same jobs, so that tables would show equal points."""
        for option in sweep:
            jobs: dict[str, dict[str, set[str]]] = {}  # everything else → value → keys
            for config, key in self.trained:
                others = {name: value for name, value in config.point.items() if name != option}
                group = jobs.setdefault(content_key([config.method.name, config.source.fold, others]), {})
                group.setdefault(content_key(config.point[option]), set()).add(key)
            if all(len(group) > 1 and len(set(map(frozenset, group.values()))) == 1 for group in jobs.values()):
                text = f"{self.entry.name}: {option} has no effect here, so its values give the same trials"
                self.plan.cautions.append(text)

    # -- trials -----------------------------------------------------------------------------------------------------

    def _plan_configuration(self, config: _Configuration) -> None:
        """Plan the trials of one configuration, preceded by its search if it has one."""
        self.plan.titles[config.name] = config.title
        space, search = self.study.searched(self.entry, config.method.name), self.file.search
        trained = replace(config, refit=search is not None and search.refit)
        if search is None or not space:
            self._check(config)
            if search:
                self.plan.cautions.append(
                    f"{config.method.name} on {self.entry.name} is not tuned: none of its options is in search.space"
                )
            return self._plan_trials(trained)
        tuning = self._tune(config, {option: searched.dimension for option, searched in space.items()})
        self.plan.tunings.append(tuning)
        if not tuning.chosen:
            return self._await_choice(trained, tuning.error)
        chosen = dict(tuning.chosen.values)
        settings = self.study.settings(self.entry, config.method.name, {**config.point, **chosen}, "search")
        return self._plan_trials(replace(trained, settings=settings), chosen)

    def _plan_trials(self, config: _Configuration, chosen: Mapping[str, Any] | None = None) -> None:
        """Plan a trial and its jobs for each seed. chosen: option → value chosen by the search."""
        for seed in self.file.seeds:
            key, stage1_key = self._train(config, seed, {"point": config.point})
            self.plan.jobs[key] = replace(self.plan.jobs[key], keep_model=self.file.keep_models)
            profiles = self._profile(self.plan.jobs[key], config)
            self._add_trial(config, seed, key=key, stage1_key=stage1_key, chosen=chosen or {}, profile_keys=profiles)

    def _await_choice(self, config: _Configuration, error: str | None) -> None:
        """Plan trials without jobs: their options are not chosen yet or, if there is an error, can't be."""
        for seed in self.file.seeds:
            self._add_trial(config, seed, key=None, stage1_key=None, error=error)

    def _samples(self, config: _Configuration, seed: int) -> dict[str, np.ndarray]:
        """The sample numbers of each part, and those that each stage of a trial learns from."""
        samples = self.samples.draw(config.source, config.settings.general, seed)
        if config.refit:
            validation = samples["validation"]
            labelled = np.sort(np.concatenate([samples["labelled"], validation]))
            samples |= {"labelled": labelled, "validation": validation[:0]}
        has_stage1 = self._stage1(config).method.Stage1
        return samples if has_stage1 else {**samples, "unlabelled": samples["unlabelled"][:0]}

    def _add_trial(self, config: _Configuration, seed: int, **trial: Any) -> None:
        counts = {part: len(indices) for part, indices in self._samples(config, seed).items()}
        about: dict[str, Any] = {"dataset": self.entry.name, "method": config.name, "seed": seed, "point": config.point}
        about["fold"] = config.source.fold
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
        fold = config.source.fold
        return Tuning(self.entry.name, config.name, config.point, tuple(candidates), n_validation, fold)

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

    # -- jobs -------------------------------------------------------------------------------------------------------

    def _train(self, config: _Configuration, seed: int, purpose: dict[str, Any]) -> tuple[str, str | None]:
        """Add the jobs that train one configuration with one seed. Returns the keys of stage 2 and of stage 1.

        purpose: added to the ``about`` of the train job.
        """
        general, settings, stage1 = config.settings.general, config.settings, self._stage1(config)
        samples = self._samples(config, seed)
        about = {"study": self.file.study, "dataset": self.entry.name, "seed": seed}
        about |= {"fold": config.source.fold} if config.source.fold else {}
        stage1_key = None
        if stage1.settings.stage1_options:
            indices = {part: samples[part] for part in ("train", "unlabelled")}
            content: dict[str, Any] = {
                "options": stage1.settings.stage1_options.content(),
                "settings": stage1.settings.general.stage1.content(),
            }
            content |= self._content("pretrain", stage1, seed, indices)
            general1 = stage1.settings.general.stage1
            stage1.method.check_unlabelled(len(samples["unlabelled"]), general1.workers)
            gpus = general1.gpus_per_worker or (1 if general1.workers > 1 else 0)
            about1 = {**about, "method": stage1.method.name, "gpus": gpus}
            stage1_key = self._add(content, about1, config.source, indices)
        indices = {part: rows for part, rows in samples.items() if part != "unlabelled"}
        content = {"options": settings.stage2_options.content(), "settings": general.stage2.content()}
        content |= {"row": config.variant, "stage1": stage1_key, **self._content("train", config, seed, indices)}
        about = {**about, "method": config.name, "data_options": settings.data_options.to_json(), **purpose}
        key = self._add(content, about, config.source, indices, (stage1_key,) if stage1_key else ())
        self.trained.append((config, key))
        return key, stage1_key

    def _profile(self, trial: Job, config: _Configuration) -> dict[str, str]:
        """Add the profile jobs of a trial, which train it again and time the trained model. Returns device → key."""
        edge, keys = self.file.edge, {}
        general, seed = config.settings.general, trial.about["seed"]
        if edge is None or not edge.includes(config.method.name, general.label_rate, seed, self.file.seeds[0]):
            return {}
        if config.source.fold not in (None, 1):  # the cost does not depend on the subjects
            return {}
        for label, device, mode in edge.placements:
            measuring = {"measuring": edge.measuring.to_json(), "device": device.runs_on, "on": device.name}
            content = {**trial.content, "kind": "profile", "profile": PROFILE_VERSION, "trial": trial.key, **measuring}
            content |= {} if mode is None else {"power_mode": mode}
            about = {**trial.about, "device": {**device.to_json(), "way": device.attachment}}
            keys[label] = self._add(content, about, config.source, trial.indices, trial.needs)
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
        source: SplitRecordings,
        indices: Mapping[str, np.ndarray],
        needs: tuple[str, ...] = (),
    ) -> str:
        """Add a job unless there is one with the same content. Returns its key."""
        content = json.loads(json.dumps(content))  # as it will be read back, with lists for tuples
        key = content_key(content)
        self.plan.jobs_without_sharing += 1
        on_gpu = self.file.device == "cuda" and content["kind"] != "profile"  # a profile job has its whole device
        about = {**about, "gpus": (about.get("gpus") or self.file.gpus_per_trial) if on_gpu else 0}
        if key not in self.plan.jobs:
            data = source.recordings.fingerprint
            self.plan.jobs[key] = Job(key, content["kind"], content, about, data, indices, needs)
        return key
