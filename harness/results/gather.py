"""From ledgers to reports: what the reports know of a run is gathered here, and what they make is written here."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import InputError
from harness.ledger import Ledger, Record, write_whole
from harness.results.profiles import edge_tables, latency_curves
from harness.results.selection import selected_index
from harness.results.table import trial_table

if TYPE_CHECKING:
    from reports.document import Document
    from reports.run import Run

PLACE = ("host", "machine", "processor", "device")


def gather(ledger: Ledger, arrays: bool = True) -> Run:
    """The run as the reports know it: its table, its study, and what records and artefacts hold beyond the rows.

    arrays: whether artefacts are read; what a terminal shows needs none.
    """
    from reports.run import Run

    plan, study = ledger.plan(), ledger.study()
    records = {key: record for key in plan["jobs"] if (record := ledger.record(key))}
    done = {key: record for key, record in records.items() if record["status"] == "done"}
    places = Counter(tuple(str(record["environment"].get(name, "–")) for name in PLACE) for record in done.values())
    known = study.get("provenance") or {}
    versions = {**known.get("packages", {}), **{name: known[name] for name in ("python", "platform") if name in known}}
    environments = [
        {k: v for k, v in record["environment"].items() if k not in (*PLACE, "attached_by")} for record in done.values()
    ]
    return Run(
        trials=trial_table(ledger, records),
        study={
            **{name: study.get(name, "") for name in ("study", "title", "question", "command", "text", "provenance")},
            **{name: plan[name] for name in ("select", "sweep", "methods", "titles", "seeds", "data")},
            "chance": {name: 1 / about["n_classes"] for name, about in plan["data"].items()},
            "search": plan.get("search"),
            "edge": [asdict(table) for table in edge_tables(ledger)],
            "latency": latency_curves(ledger) if arrays else [],
            "options": changed_options(study["in_force"], study["file"]),
            "in_force": study["in_force"],
            "versions": versions | _versions(environments),
            "hosts": [{**dict(zip(PLACE, place, strict=True)), "jobs": n} for place, n in sorted(places.items())],
            "others": sum(1 for _ in (ledger.root / "records").glob("*.json")) - len(records),
            "folder": ledger.root.name,
        },
        details={
            trial["key"]: _detail(ledger, done[trial["key"]], plan, arrays)
            for trial in plan["trials"]
            if trial["key"] in done
        },
        pretrained={
            key: _pretrained(ledger, record, arrays) for key, record in done.items() if record["kind"] == "pretrain"
        },
    )


def _versions(environments: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What the jobs ran with; several versions of one thing are all named."""
    found: dict[str, list[str]] = {}
    for name, version in dict.fromkeys(item for environment in environments for item in environment.items()):
        found.setdefault(name, []).append(str(version))
    return {name: " and ".join(sorted(some)) for name, some in found.items()}


def _detail(ledger: Ledger, record: Record, plan: Record, arrays: bool) -> dict[str, Any]:
    result, part = record["result"], record["result"]["curves"].get("test", {})
    kept = (
        "loss",
        "attention",
        "modal_distance",
        "modal_plane_variance",
        "absent",
        "evaluation_seconds",
        "n_parameters",
        "flops",
    )
    detail = {name: result.get(name) for name in kept if result.get(name) is not None}
    detail |= {
        "epochs": result["epochs_evaluated"],
        "accuracy": part.get("accuracy", []),
        "macro_f1": part.get("macro_f1", []),
    }
    detail |= {"host": record["environment"].get("host"), "samples": record["content"].get("samples", {})}
    if arrays and "predictions.npz" in record["artefacts"]:
        n_classes = plan["data"][record["about"]["dataset"]]["n_classes"]
        with np.load(io.BytesIO(ledger.artefact(record["key"], "predictions.npz", record)), allow_pickle=False) as file:
            detail["confusion"] = _confusion(file, selected_index(result, plan["select"]), n_classes)
            if "explained_modal_plane" in file:
                detail["modal_plane"] = file["explained_modal_plane"]
    return detail


def _confusion(file: Mapping[str, np.ndarray], look: int, n_classes: int) -> np.ndarray | None:
    """Counts (n_classes, n_classes), rows the truth; read here rather than by `harness.results.artefacts`, whose metrics wait for torch."""
    if "test_true" not in file:
        return None
    truth, predicted = file["test_true"].astype(np.int64), file["test_predicted"][look].astype(np.int64)
    return np.bincount(truth * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def _pretrained(ledger: Ledger, record: Record, arrays: bool) -> dict[str, Any]:
    result, about = record["result"], record["about"]
    kept = (
        "loss",
        "loss_floor",
        "modal_distance",
        "modal_plane_variance",
        "absent",
        "train_seconds",
        "findings_seconds",
        "n_parameters",
    )
    found = {name: result.get(name) for name in kept}
    places = {
        "method": about["method"],
        "dataset": about["dataset"],
        "seed": about["seed"],
        "host": record["environment"].get("host"),
    }
    if arrays and "plane.npz" in record["artefacts"]:
        with np.load(io.BytesIO(ledger.artefact(record["key"], "plane.npz", record)), allow_pickle=False) as file:
            found["modal_plane"] = file["modal_plane"]
    return {**found, **places, "quality": (result.get("findings") or {}).get("quality")}


def changed_options(in_force: dict[str, dict[str, dict[str, Any]]], file: str) -> list[dict[str, Any]]:
    """The options that differ from their defaults, each once for the methods and data sets that it holds for. file: the study's."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for dataset, methods in in_force.items():
        for method, options in methods.items():
            for path, leaf in options.items():
                if leaf["source"] == "default":
                    continue
                root, _, rest = path.partition(".")
                shown = {"method": f"{method}.{rest}", "data": f"{dataset.partition(':')[0]}.{rest}"}.get(root, path)
                value = leaf["value"] if isinstance(leaf["value"], str) else str(leaf["value"])
                source = leaf["source"].replace(f"{file}:", f"{Path(file).name}:")
                found.setdefault((shown, value, source), []).append(f"{method} on {dataset}")
    return [
        {"path": path, "value": value, "source": source, "holds_for": where}
        for (path, value, source), where in found.items()
    ]


def formats_of(text: str) -> list[str]:
    """The formats named in ``html,pdf``. Raises `InputError` for one that there isn't."""
    from reports.formats import FORMATS

    names = list(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    wrong = [name for name in names if name not in FORMATS]
    if wrong or not names:
        raise InputError(
            f"--format: {', '.join(wrong) or 'nothing'} is no report format; there are {', '.join(FORMATS)}"
        )
    return names


def write_reports(
    ledgers: Sequence[Ledger], formats: Sequence[str] = ("html",), folder: Path | None = None
) -> list[Path]:
    """Write the report of a run, or of several as one, in each format. Returns the file of each to open.

    folder: where to; None: the run's own folder, of several runs the one that all lie in.
    """
    from reports.sections import document

    runs = [gather(ledger) for ledger in ledgers]
    if len(runs) > 1:
        from reports.overview import document_of_several

        return write_document(
            document_of_several(runs), formats, folder or _common([ledger.root for ledger in ledgers])
        )
    return write_document(document(runs[0]), formats, folder or ledgers[0].root)


def write_comparison(one: Ledger, two: Ledger, formats: Sequence[str], folder: Path | None = None) -> list[Path]:
    """Write the comparison of two runs in each format, as `write_reports`."""
    from reports.compare import comparison

    return write_document(
        comparison(gather(one, False), gather(two, False)),
        formats,
        folder or _common([one.root, two.root]),
        "comparison",
    )


def write_document(document: Document, formats: Sequence[str], folder: Path, name: str = "report") -> list[Path]:
    """Write a document in each format; files are named ``name`` where the format's are named report."""
    from reports import formats as forms

    written = []
    for form in formats:
        paths = {
            folder / path.replace("report", name): content for path, content in forms.files(document, form).items()
        }
        for path, content in paths.items():
            write_whole(path, content)
        written.append(next(iter(paths)))
    return written


def _common(roots: Sequence[Path]) -> Path:
    resolved = [root.resolve().parent for root in roots]
    try:
        return Path(os.path.commonpath(resolved))
    except ValueError:  # on different drives
        return resolved[0]
