"""From ledgers to reports: what the reports know of a run is gathered here, and what they make is written here."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import InputError
from harness.ledger import write_whole
from harness.results.environments import environments_of, mixed
from harness.results.health import warnings_of
from harness.results.profiles import edge_tables, latency_curves
from harness.results.records import PretrainRecord, Scores, TrainRecord
from harness.results.run import RunResults
from harness.results.selection import selected_index
from harness.results.table import trial_table

if TYPE_CHECKING:
    from reports.document import Document
    from reports.run import RunData

HOST = ("host", "machine", "processor", "device")
IN_DETAIL = {
    "loss", "attention", "modal_distance", "modal_plane_variance", "absent", "evaluation_seconds", "n_parameters",
    "flops",
}  # fmt: skip
IN_PRETRAINED = {
    "loss", "loss_floor", "modal_distance", "modal_plane_variance", "absent", "train_seconds", "findings_seconds",
    "n_parameters",
}  # fmt: skip


def gather(results: RunResults, arrays: bool = True) -> RunData:
    """The run as the reports know it: its table, its study, and what records and artefacts hold beyond the table.

    arrays: whether artefacts are read; what a terminal shows needs none.
    """
    from reports.run import RunData

    plan, done = results.plan, results.done()
    datasets = {trial.stage1_key: trial.dataset for trial in plan.trials}
    return RunData(
        trials=trial_table(results),
        study=_study(results, arrays),
        details={
            trial.key: _detail(results, trial.dataset, record, arrays)
            for trial in plan.trials
            if trial.key and (record := results.trained(trial.key))
        },
        pretrained={
            key: _pretrained(results, record, arrays) | ({"dataset": datasets[key]} if key in datasets else {})
            for key, record in done.items()
            if isinstance(record, PretrainRecord)
        },
    )


def _study(results: RunResults, arrays: bool) -> dict[str, Any]:
    """What the reports know of a run as a whole; see `reports.run.RunData`."""
    plan, study = results.plan, results.study
    environments = [record.environment for record in results.done().values()]
    hosts = Counter(tuple(environment.get(name, "–") for name in HOST) for environment in environments)
    state = study.provenance
    versions = {**state.get("packages", {}), **{name: state[name] for name in ("python", "platform") if name in state}}
    return {
        **study.model_dump(include={"study", "title", "question", "reference", "command", "text", "provenance"}),
        **plan.model_dump(include={"select", "sweep", "methods", "titles", "seeds", "data", "search"}),
        "chance": {name: _chance(results, name) for name in plan.data},
        "warnings": [warning.to_json() for warning in warnings_of(results)],
        "edge": [asdict(table) for table in edge_tables(results)],
        "latency": latency_curves(results) if arrays else [],
        "options": changed_options(study.in_force, study.file),
        "in_force": study.in_force,
        "versions": versions | _versions(environments),
        "hosts": [{**dict(zip(HOST, host, strict=True)), "jobs": n} for host, n in sorted(hosts.items())],
        "mixed": mixed(environments_of(results.done().values())),
        "others": results.records_of_other_plans(),
        "folder": results.folder.name,
    }


def _chance(results: RunResults, dataset: str) -> float:
    """The accuracy of always predicting the most common class of the test samples, at least that of guessing."""
    trained = (results.trained(trial.key) for trial in results.plan.trials if trial.dataset == dataset)
    shares = [record.result.largest_class_share.get("test") for record in trained if record]
    known = [share for share in shares if share is not None]
    return max(1 / results.plan.data[dataset].n_classes, float(np.mean(known)) if known else 0.0)


def _versions(environments: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What the jobs ran with; several versions of one package are all named."""
    found: dict[str, list[str]] = {}
    for name, version in dict.fromkeys(item for environment in environments for item in environment.items()):
        if name not in (*HOST, "attached_by"):
            found.setdefault(name, []).append(version)
    return {name: " and ".join(sorted(some)) for name, some in found.items()}


def _detail(results: RunResults, dataset: str, record: TrainRecord, arrays: bool) -> dict[str, Any]:
    """What a record holds beyond the table. dataset: its name in the plan; data of the same content share records."""
    result, scores = record.result, record.result.curves.get("test", Scores())
    detail = result.model_dump(include=IN_DETAIL, exclude_none=True)
    detail |= {"epochs": result.epochs_evaluated, "accuracy": scores.accuracy, "macro_f1": scores.macro_f1}
    detail |= {"host": record.environment.get("host"), "samples": record.content.samples}
    if arrays and "predictions.npz" in record.artefacts:
        found = results.arrays(record, "predictions.npz")
        n_classes = results.plan.data[dataset].n_classes
        detail["confusion"] = _confusion(found, selected_index(result, results.plan.select), n_classes)
        if "explained_modal_plane" in found:
            detail["modal_plane"] = found["explained_modal_plane"]
    return detail


def _confusion(arrays: Mapping[str, np.ndarray], index: int, n_classes: int) -> np.ndarray | None:
    """Counts (n_classes, n_classes), rows the truth; done here since `harness.results.artefacts` imports torch."""
    if "test_true" not in arrays:
        return None
    truth, predicted = arrays["test_true"].astype(np.int64), arrays["test_predicted"][index].astype(np.int64)
    return np.bincount(truth * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def _pretrained(results: RunResults, record: PretrainRecord, arrays: bool) -> dict[str, Any]:
    found = record.result.model_dump(include=IN_PRETRAINED) | record.about.model_dump(
        include={"method", "dataset", "seed"}
    )
    found |= {"host": record.environment.get("host"), "quality": record.result.findings.model_dump()["quality"]}
    if arrays and "plane.npz" in record.artefacts:
        found["modal_plane"] = results.arrays(record, "plane.npz")["modal_plane"]
    return found


def changed_options(in_force: dict[str, dict[str, dict[str, Any]]], file: str) -> list[dict[str, Any]]:
    """Those of `options_in_force` that are neither swept nor the defaults of their models, with values as text."""
    from reports.text import value_text

    changed = [option for option in options_in_force(in_force, file) if option["source"] not in ("default", "sweep")]
    return [{**option, "value": value_text(option["value"])} for option in changed]


def options_in_force(in_force: dict[str, dict[str, dict[str, Any]]], file: str) -> list[dict[str, Any]]:
    """The values in force, each once, with its source and the methods and data sets that it applies to.

    file: the path of the study.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for dataset, methods in in_force.items():
        for method, options in methods.items():
            for path, leaf in options.items():
                root, _, rest = path.partition(".")
                shown = {"method": f"{method}.{rest}", "data": f"{dataset.partition(':')[0]}.{rest}"}.get(root, path)
                value, source = leaf["value"], leaf["source"].replace(f"{file}:", f"{Path(file).name}:")
                option = {"path": shown, "value": value, "source": source, "holds_for": []}
                found.setdefault((shown, str(value), source), option)["holds_for"].append(f"{method} on {dataset}")
    return list(found.values())


def formats_of(texts: Sequence[str]) -> list[str]:
    """The formats named in texts such as ``html,pdf``. Raises `InputError` for one that there isn't."""
    from reports.formats import FORMATS

    names = list(dict.fromkeys(name.strip().lower() for text in texts for name in text.split(",") if name.strip()))
    wrong = [name for name in names if name not in FORMATS]
    if wrong or not names:
        raise InputError(
            f"--format: {', '.join(wrong) or 'nothing'} is no report format; there are {', '.join(FORMATS)}"
        )
    return names


def write_reports(
    runs: Sequence[RunResults], formats: Sequence[str] = ("html",), folder: Path | None = None
) -> list[Path]:
    """Write the report of a run, or of several as one, in each format. Returns the file of each to open.

    folder: where to; None: the run's own folder, of several runs the one that all lie in.
    """
    from reports.overview import overview_document
    from reports.sections import document

    gathered = [gather(run) for run in runs]
    made = document(gathered[0]) if len(runs) == 1 else overview_document(gathered)
    return write_document(made, formats, folder or _folder_for(runs))


def comparison(one: RunResults, two: RunResults) -> Document:
    """The document that compares two runs."""
    from reports.run_comparison import compare_runs

    return compare_runs(gather(one, arrays=False), gather(two, arrays=False))


def write_comparison(
    made: Document, runs: Sequence[RunResults], formats: Sequence[str], folder: Path | None = None
) -> list[Path]:
    """Write the `comparison` of two runs in each format, as `write_reports`."""
    return write_document(made, formats, folder or _folder_for(runs), "comparison")


def write_document(document: Document, formats: Sequence[str], folder: Path, name: str = "report") -> list[Path]:
    """Write a document in each format; files are named ``name`` where the format's are named report."""
    from reports import formats as forms

    written = []
    for form in formats:
        files = forms.files(document, form)
        paths = {folder / re.sub(r"(^|/)report(?=[-.])", rf"\1{name}", path): files[path] for path in files}
        for path, content in paths.items():
            write_whole(path, content)
        written.append(next(iter(paths)))
    return written


def _folder_for(runs: Sequence[RunResults]) -> Path:
    """A run's own folder; of several runs the one that they all lie in."""
    if len(runs) == 1:
        return runs[0].folder
    parents = [run.folder.resolve().parent for run in runs]
    try:
        return Path(os.path.commonpath(parents))
    except ValueError:  # on different drives
        return parents[0]
