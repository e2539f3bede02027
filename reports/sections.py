"""The sections of a report. A new one is a function here and its place in `SECTIONS`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from reports.document import Block, Code, Document, Note, Prose, Row, Section
from reports.parts.answer import answer
from reports.parts.diagnostics import class_blocks, cost_table, learning_blocks, modality_blocks, size_table
from reports.parts.edge import edge_blocks
from reports.parts.figures import all_curves, curves, heats, numeric_option
from reports.parts.pairwise import HOW, ablation_blocks, comparison_blocks
from reports.parts.tables import (
    data_table,
    hosts_table,
    main_table,
    options_table,
    samples_table,
    search_table,
    trials_table,
    versions_table,
)
from reports.run import METRICS, Run
from reports.text import clean, count, listing, point_text, status_notes, value_text

READING = (
    "Means and intervals are over seeds on one split of the subjects: a seed changes which samples are labelled and how the weights "
    "start. They do not say how other subjects or other data would fare. For one seed all methods see the same labelled samples, so "
    "methods are compared seed by seed; the intervals are not corrected for the number of comparisons."
)
SELECTION = {
    "last": "Figures are of the last epoch; nothing was chosen by the test samples.",
    "validation": "Figures are of the epoch with the best accuracy on the validation subjects, who are neither trained nor tested on.",
    "oracle": "Figures are of the epoch with the best accuracy on the test samples: that is leakage, and they are too high.",
}


def document(run: Run, generated: str | None = None) -> Document:
    """The whole report of a run. ``generated``: a date to print; without one the same run always gives the same document."""
    title, name = clean(run.study["title"] or run.study["study"]), clean(run.study["study"])
    sections, trials = own_anchors(all_sections(run)), {str(run.study["study"]): run.trials}
    return Document(title, f"Study {name}", status_notes(run), sections, generated, trials)


def all_sections(run: Run) -> list[Section]:
    """What a run has to say, in order."""
    return [section for make in SECTIONS for section in make(run)]


def answer_section(run: Run) -> Iterator[Section]:
    blocks: list[Block] = [Prose(clean(run.study["question"]))] if run.study["question"] else []
    blocks += [Prose(" ".join(answer(run, dataset))) for dataset in run.datasets]
    drawable = [dataset for dataset in run.datasets if numeric_option(run, dataset)]
    overview = curves(run, drawable) if len(drawable) > 1 else None  # of one, its own section has the picture
    blocks += [overview] if overview else []
    blocks.append(Note(READING))
    yield Section("Question and answer", "answer", tuple(blocks))


def dataset_sections(run: Run) -> Iterator[Section]:
    for dataset in run.datasets:
        rows = [figures for figures in (all_curves(run, dataset), heats(run, dataset)) if figures]
        tables = tuple(main_table(run, dataset, metric) for metric in METRICS)
        yield Section(clean(dataset), f"data-{dataset}", (*map(Row, rows), *tables))


def by_dataset(
    title: str, anchor: str, make: Callable[[Run, str], Iterator[Block]], first: str = ""
) -> Callable[[Run], Iterator[Section]]:
    """A section with the same blocks for every data set, after a first paragraph; left out where there are none."""

    def section(run: Run) -> Iterator[Section]:
        blocks = tuple(block for dataset in run.datasets for block in make(run, dataset))
        if blocks:
            yield Section(title, anchor, (*((Prose(first),) if first else ()), *blocks))

    return section


def inside_section(run: Run) -> Iterator[Section]:
    """Classes, learning and modalities; why they are missing where the ledger has none of it."""
    if not run.details:
        yield Section(
            "Classes, learning, modalities", "inside", (Prose("No finished trial has left predictions or curves yet."),)
        )
        return
    for title, anchor, make in (
        ("Classes", "classes", class_blocks),
        ("Learning", "learning", learning_blocks),
        ("Modalities", "modalities", modality_blocks),
    ):
        yield from by_dataset(title, anchor, make)(run)


def cost_section(run: Run) -> Iterator[Section]:
    tables = [table for table in (cost_table(run), size_table(run)) if table]
    if tables:
        spent = _time(run)
        yield Section("Cost of the run", "cost", (*((Prose(spent),) if spent else ()), *tables))


def trials_section(run: Run) -> Iterator[Section]:
    yield Section("Every trial", "trials", (trials_table(run),))


def setup_section(run: Run) -> Iterator[Section]:
    seeds = [str(seed) for seed in run.study["seeds"]]
    titles = [clean(run.title(method)) for method in run.methods]
    blocks: list[Block] = [
        Prose(f"{count(len(titles), 'method')}: {listing(titles)}. {count(len(seeds), 'seed')}: {', '.join(seeds)}."),
        Prose(f"{SELECTION.get(run.study['select'], clean(run.study['select']))}{_epochs(run)}"),
        data_table(run),
        samples_table(run),
        options_table(run) if run.study["options"] else Prose("Every option has its default."),
    ]
    yield Section("Set-up", "setup", tuple(blocks))


def edge_section(run: Run) -> Iterator[Section]:
    """What was measured on devices; nothing where nothing was."""
    if blocks := tuple(edge_blocks(run)):
        yield Section("On the edge", "edge", blocks)


def search_section(run: Run) -> Iterator[Section]:
    """How hyper-parameters were searched, and what was chosen; nothing where none were."""
    if not (search := run.study.get("search")):
        return
    judged = "best" if run.study["select"] == "validation" else "last"
    stopping = (
        f"ASHA stopped the worse part of them early (grace period {search['grace_period']}, reduction factor "
        f"{value_text(search['reduction_factor'])}); which, depends on the order in which they ran."
        if search["scheduler"] == "asha"
        else "Each was trained to its end."
    )
    text = (
        f"Hyper-parameters were searched for each method, data set and point of the sweep under the same budget: "
        f"{count(search['trials'], 'configuration')} drawn at random, each trained once (seed {search['seed']}). {stopping} Chosen was the "
        f"one with the highest accuracy on the validation subjects in the {judged} epoch looked at; no test sample had a part in it. "
        "The trials of the tables then ran with what was chosen."
    )
    space = "\n".join(f"{option}: {json.dumps(value)}" for option, value in search["space"].items())
    yield Section("Search of hyper-parameters", "search", (Prose(text), Code(clean(space)), search_table(run)))


def failures_section(run: Run) -> Iterator[Section]:
    """Each failed trial; those that failed with the same error stand together."""
    errors: dict[str, list[str]] = {}
    for trial in run.failures():
        parts = (trial["dataset"], point_text(run.point(trial)), f"seed {trial['seed']}", f"key {trial['key']}")
        where = ", ".join(part for part in parts if part)
        errors.setdefault(clean(trial["error"] or "no error was recorded"), []).append(
            f"{run.title(trial['method'])} ({where})"
        )
    blocks: list[Block] = []
    for error, trials in errors.items():
        blocks += [Prose(clean(f"{count(len(trials), 'trial')}: {'; '.join(trials)}.")), Code(error)]
    if blocks:
        yield Section("Failures", "failures", tuple(blocks))


def provenance_section(run: Run) -> Iterator[Section]:
    blocks: list[Block] = [Prose("To run it again:"), Code(clean(run.study["command"]))]
    blocks += [Prose(text) for text in _code_state(run)]
    blocks += [versions_table(run)] if run.study["versions"] else []
    blocks += [hosts_table(run)] if run.study.get("hosts") else []
    if run.study.get("text"):
        blocks += [Prose("The study's file:"), Code(clean(run.study["text"]))]
    yield Section("Provenance", "provenance", tuple(blocks))


def _code_state(run: Run) -> Iterator[str]:
    """The state of the code, or why it isn't known; records that belong to other plans."""
    git = (run.study.get("provenance") or {}).get("git")
    if not git:
        yield "The state of the code was not recorded: the plan was written by a version that did not keep it."
    elif "absent" in git:
        yield clean(f"The state of the code is not known: {git['absent']}.")
    else:
        dirty = "with changes that are in no commit" if git["dirty"] else "without changes"
        yield clean(f"Code: git commit {git['commit']}, {dirty}.")
    if others := run.study.get("others"):
        yield f"The run's folder holds {count(others, 'record')} of other plans; they are not in this report."


SECTIONS: tuple[Callable[[Run], Iterator[Section]], ...] = (
    answer_section,
    dataset_sections,
    by_dataset("Methods compared", "compared", comparison_blocks, HOW),
    by_dataset("Ablation", "ablation", ablation_blocks),
    inside_section,
    cost_section,
    edge_section,
    failures_section,
    search_section,
    setup_section,
    trials_section,
    provenance_section,
)


def _epochs(run: Run) -> str:
    epochs = sorted({int(trial["epoch"]) for trial in run.rows if trial["epoch"] is not None})
    if not epochs:
        return ""
    return f" Epoch: {epochs[0]}." if len(epochs) == 1 else f" Epochs: {epochs[0]} to {epochs[-1]}."


def _time(run: Run) -> str:
    """Seconds spent by stage; a job that several trials share counts once."""
    first, second = _seconds(run, "stage1_key", "stage1_seconds"), _seconds(run, "key", "stage2_seconds")
    parts = [f"{_hours(sum(first.values()))} in stage 1 ({count(len(first), 'pre-training')})"] if first else []
    parts += [f"{_hours(sum(second.values()))} in stage 2 ({count(len(second), 'training')})"] if second else []
    return f"Computing time, summed over jobs: {listing(parts)}." if parts else ""


def _seconds(run: Run, key: str, column: str) -> dict[str, float]:
    return {trial[key]: trial[column] for trial in run.rows if trial[key] and trial[column] is not None}


def _hours(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h"
        if seconds >= 3600
        else f"{seconds / 60:.1f} min"
        if seconds >= 60
        else f"{seconds:.1f} s"
    )


def own_anchors(sections: list[Section]) -> tuple[Section, ...]:
    """The sections with anchors made safe, and each its own."""
    taken: set[str] = set()
    named = []
    for section in sections:
        base = anchor = re.sub(r"[^a-z0-9]+", "-", section.anchor.lower()).strip("-") or "section"
        number = 1
        while anchor in taken:
            number += 1
            anchor = f"{base}-{number}"
        taken.add(anchor)
        named.append(Section(section.title, anchor, section.blocks))
    return tuple(named)
