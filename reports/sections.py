"""The sections of a report. To add a section, write a function here and list it in `SECTIONS`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reports.document import Block, Code, Document, Note, Prose, Row, Section
from reports.parts.answer import answer, rankings
from reports.parts.classes import class_blocks
from reports.parts.cost import size_table, time_table, total_time
from reports.parts.edge import edge_blocks
from reports.parts.figures import all_curves, curves, heat_maps, numeric_option, ranking
from reports.parts.learning import learning_blocks
from reports.parts.modalities import modality_blocks
from reports.parts.pairwise import HOW, ablation_blocks, comparison_blocks
from reports.parts.robust import robust_blocks
from reports.parts.tables import (
    data_table,
    folds_table,
    hosts_table,
    label_tables,
    main_table,
    options_table,
    samples_table,
    search_table,
    trials_table,
    versions_table,
    warnings_table,
)
from reports.run import METRICS, RunData, Trial
from reports.text import count, first_few, listing, missing_notes, mixed_notes, point_text, score_notes, value_text

ON_ONE_SPLIT = (
    "Means and intervals are over seeds on one split of the subjects: a seed changes which samples are labelled and "
    "how the weights are initialised. They do not show how the methods would perform on other subjects or other data. "
    "For each seed, all methods use the same labelled samples, so methods are compared seed by seed."
)
IN_FOLDS = (
    "Means and intervals are over folds, which differ in their test subjects: the score of a fold is the mean over its "
    "seeds, which change the labelled samples and the initial weights. The intervals are about new subjects of the "
    "same kind, but not about other data. In each fold and for each seed, all methods use the same labelled samples, "
    "so methods are compared fold by fold."
)
NOT_CORRECTED = (
    "Comparisons with the best are corrected for all pairs of methods at one point of a sweep, but not over the "
    "points. Other intervals are not corrected for multiple comparisons."
)
WARNINGS = "The accuracy of these trials may not say how good the methods are: their training may have gone wrong."
SELECTION = {
    "last": "Scores are those of the last epoch; the test samples were not used to select anything.",
    "validation": "Scores are those of the epoch with the highest accuracy on the validation subjects, who are used "
    "for neither training nor testing.",
    "oracle": "Scores are those of the epoch with the highest accuracy on the test samples. This is leakage, and the "
    "scores are too high.",
}


def document(run: RunData, generated: str | None = None) -> Document:
    """The whole report of a run; the same for the same arguments. generated: the date to print, if any."""
    study = str(run.study["study"])
    sections = unique_anchors(all_sections(run))
    notes = (*score_notes(run), *missing_notes(run))
    return Document(run.study["title"] or study, f"Study {study}", notes, sections, generated, {study: run.trials})


def all_sections(run: RunData) -> list[Section]:
    """The sections of a run, in order."""
    return [section for make in SECTIONS for section in make(run)]


# -- results -----------------------------------------------------------------------------------------------------------


def answer_section(run: RunData) -> Iterator[Section]:
    """The study's question and its answer."""
    blocks: list[Block] = [Prose(run.study["question"])] if run.study["question"] else []
    charts = [ranking(run, dataset, groups) for dataset in run.datasets for groups in rankings(run, dataset)]
    blocks += [Row(tuple(charts))] if len(charts) > 1 else charts
    blocks += [Prose(" ".join(answer(run, dataset))) for dataset in run.datasets]
    drawable = [dataset for dataset in run.datasets if numeric_option(run, dataset)]
    if len(drawable) > 1 and (overview := curves(run, drawable)):  # a single data set has the figure in its own section
        blocks.append(overview)
    yield Section("Question and answer", "answer", (*blocks, Note(_reading(run))))


def _reading(run: RunData) -> str:
    """What the intervals are about: subjects too, where there are folds."""
    folded = {dataset: bool(run.folds(dataset)) for dataset in run.datasets}
    texts = {True: IN_FOLDS, False: ON_ONE_SPLIT}
    if len(kinds := set(folded.values())) == 1:
        parts = [texts[kind] for kind in kinds]
    else:
        parts = [f"On {listing([d for d in folded if folded[d] is kind])}: {texts[kind]}" for kind in (True, False)]
    return " ".join([*parts, NOT_CORRECTED])


def warnings_section(run: RunData) -> Iterator[Section]:
    """The signs that trainings may have gone wrong; left out if there are none."""
    tables = tuple(warnings_table(run, dataset) for dataset in run.datasets if run.warnings(dataset))
    if tables:
        yield Section("Warnings", "warnings", (Prose(WARNINGS), *tables))


def dataset_sections(run: RunData) -> Iterator[Section]:
    """A section for each data set, with its scores."""
    for dataset in run.datasets:
        rows = [Row(figures) for figures in (all_curves(run, dataset), heat_maps(run, dataset)) if figures]
        tables = [main_table(run, dataset, metric) for metric in METRICS]
        yield Section(dataset, f"data-{dataset}", (*rows, *tables))


def by_dataset(
    title: str, anchor: str, make: Callable[[RunData, str], Iterator[Block]], introduction: str = ""
) -> Callable[[RunData], Iterator[Section]]:
    """A section with an introduction and the blocks of each data set; left out if there are no blocks."""

    def section(run: RunData) -> Iterator[Section]:
        blocks = tuple(block for dataset in run.datasets for block in make(run, dataset))
        if blocks:
            yield Section(title, anchor, (*((Prose(introduction),) if introduction else ()), *blocks))

    return section


def diagnostics_sections(run: RunData) -> Iterator[Section]:
    """Classes, learning and modalities."""
    if not run.details:
        text = "There are no predictions or learning curves yet."
        yield Section("Classes, learning, modalities", "diagnostics", (Prose(text),))
        return
    for title, make in (("Classes", class_blocks), ("Learning", learning_blocks), ("Modalities", modality_blocks)):
        yield from by_dataset(title, title.lower(), make)(run)


def cost_section(run: RunData) -> Iterator[Section]:
    """Computing time and sizes of the networks; left out if nothing has run."""
    tables = [table for table in (time_table(run), size_table(run)) if table]
    if tables:
        total = total_time(run)
        yield Section("Cost of the run", "cost", (*((Prose(total),) if total else ()), *tables))


def edge_section(run: RunData) -> Iterator[Section]:
    """Measurements on devices; left out if there are none."""
    if blocks := tuple(edge_blocks(run)):
        yield Section("On the edge", "edge", blocks)


def failures_section(run: RunData) -> Iterator[Section]:
    """The failed trials, grouped by their error; left out if there are none."""
    errors: dict[str, list[str]] = {}  # by the last line of the error, which is the same for the same cause
    causes: dict[str, str] = {}
    for trial in run.failures():
        key = f"key {trial['key']}" if trial["key"] else ""  # a trial whose search chose nothing has none
        parts = (trial["dataset"], point_text(run.point(trial)), _place(trial), key)
        name = f"{run.title(trial['method'])} ({', '.join(part for part in parts if part)})"
        error = str(trial["error"] or "No error was recorded.")
        cause = error.strip().rpartition("\n")[2]
        causes.setdefault(cause, error)
        errors.setdefault(cause, []).append(name)
    blocks: list[Block] = []
    for cause, names in errors.items():
        blocks += [Prose(f"{count(len(names), 'trial')}: {first_few(names, separator='; ')}."), Code(causes[cause])]
    if blocks:
        yield Section("Failures", "failures", tuple(blocks))


def _place(trial: Trial) -> str:
    """The fold, if any, and the seed of a trial."""
    return (f"fold {value_text(trial['fold'])}, " if trial.get("fold") else "") + f"seed {trial['seed']}"


def trials_section(run: RunData) -> Iterator[Section]:
    """Every trial."""
    yield Section("Every trial", "trials", (trials_table(run),))


# -- set-up ------------------------------------------------------------------------------------------------------------


def search_section(run: RunData) -> Iterator[Section]:
    """How hyper-parameters were searched and which were chosen; left out if there was no search."""
    if search := run.study.get("search"):
        space = "\n".join(f"{option}: {json.dumps(value)}" for option, value in search["space"].items())
        blocks = (Prose(_search_text(search, run.study["select"])), Code(space), search_table(run))
        yield Section("Search of hyper-parameters", "search", blocks)


def _search_text(search: Mapping[str, Any], select: str) -> str:
    if search["scheduler"] == "asha":
        stopping = (
            f"ASHA stopped the worse ones early (grace period {search['grace_period']}, reduction factor "
            f"{value_text(search['reduction_factor'])}); which ones it stopped depends on the order in which they ran."
        )
    else:
        stopping = "All of them were trained to the end."
    folded = any(tuning.get("fold") for tuning in search["tunings"])
    folds, in_each = (", fold", " in each fold") if folded else ("", "")
    epoch = "best" if select == "validation" else "last"
    seeds = [str(seed) for seed in search.get("seeds", [search["seed"]])]
    several = len(seeds) > 1
    refit = " and train on the labelled validation samples as well" if search.get("refit") else ""
    return (
        f"Hyper-parameters were searched separately for each method, data set{folds} and point of the sweep, all with "
        f"the same budget: {count(search['trials'], 'configuration')} drawn at random and trained "
        f"{f'{len(seeds)} times each, with seeds' if several else 'once each, with seed'} {listing(seeds)}. {stopping} "
        f"The configuration with the highest {'mean ' * several}accuracy on the labelled validation samples at the "
        f"{epoch} evaluation was chosen; test samples were not used. The choice was made once{in_each} and not "
        "for each seed of the trials, so intervals over these seeds do not show how it would vary. The trials in "
        f"the tables use the chosen configurations{refit}."
    )


def setup_section(run: RunData) -> Iterator[Section]:
    """Methods, seeds, data and options."""
    methods, seeds = [run.title(method) for method in run.methods], [str(seed) for seed in run.study["seeds"]]
    select = run.study["select"]
    yield Section(
        "Set-up",
        "setup",
        (
            Prose(
                f"{count(len(methods), 'method')}: {listing(methods)}. {count(len(seeds), 'seed')}: {', '.join(seeds)}"
                f"{_folds_text(run)}."
            ),
            Prose(f"{SELECTION.get(select, select)}{_epochs(run)}"),
            data_table(run),
            *mixed_notes(run),
            *([folds] if (folds := folds_table(run)) else []),
            *label_tables(run),
            samples_table(run),
            options_table(run) if run.study["options"] else Prose("All options have their default values."),
        ),
    )


def _folds_text(run: RunData) -> str:
    """The number of folds of the data sets that have any, and what they are."""
    parts = []
    for dataset in run.datasets:
        if folds := run.folds(dataset):
            tested = {subject for fold in folds for subject in fold["test"]}
            everyone = {subject for fold in folds for subjects in fold.values() for subject in subjects}
            who = "every subject" if tested == everyone else f"{len(tested)} of {len(everyone)} subjects"
            how = "with test subjects drawn at random" if run.overlap(dataset) else f"testing {who} once"
            parts.append(f", each in {len(folds)} folds on {dataset}, {how}")
    return "".join(parts)


def _epochs(run: RunData) -> str:
    epochs = sorted({int(trial["epoch"]) for trial in run.rows if trial["epoch"] is not None})
    if not epochs:
        return ""
    return f" Epoch: {epochs[0]}." if len(epochs) == 1 else f" Epochs: {epochs[0]} to {epochs[-1]}."


def provenance_section(run: RunData) -> Iterator[Section]:
    """How to run the study again, and the code, versions and machines that it ran with."""
    blocks: list[Block] = [Prose("To run the study again:"), Code(run.study["command"]), Prose(_code_state(run))]
    if others := run.study.get("others"):
        text = f"The run's folder also holds {count(others, 'record')} of other plans, which this report does not show."
        blocks.append(Prose(text))
    blocks += [versions_table(run)] if run.study["versions"] else []
    blocks += [hosts_table(run)] if run.study.get("hosts") else []
    if run.study.get("text"):
        blocks += [Prose("The study file:"), Code(run.study["text"])]
    yield Section("Provenance", "provenance", tuple(blocks))


def _code_state(run: RunData) -> str:
    """The state of the code, or why it is unknown."""
    git = (run.study.get("provenance") or {}).get("git")
    if not git:
        return "The state of the code was not recorded by the version that wrote the plan."
    if "absent" in git:
        return f"The state of the code is unknown: {git['absent']}."
    return f"Code: git commit {git['commit']}, with{'' if git['dirty'] else 'out'} uncommitted changes."


SECTIONS: tuple[Callable[[RunData], Iterator[Section]], ...] = (
    answer_section,
    warnings_section,
    dataset_sections,
    by_dataset("Methods compared", "compared", comparison_blocks, HOW),
    by_dataset("Robust comparison", "robust", robust_blocks),
    by_dataset("Ablation", "ablation", ablation_blocks),
    diagnostics_sections,
    cost_section,
    edge_section,
    failures_section,
    search_section,
    setup_section,
    trials_section,
    provenance_section,
)


def unique_anchors(sections: list[Section]) -> tuple[Section, ...]:
    """The sections with unique anchors that are safe in an address."""
    anchors: set[str] = set()
    named = []
    for section in sections:
        base = anchor = re.sub(r"[^a-z0-9]+", "-", section.anchor.lower()).strip("-") or "section"
        number = 1
        while anchor in anchors:
            number += 1
            anchor = f"{base}-{number}"
        anchors.add(anchor)
        named.append(replace(section, anchor=anchor))
    return tuple(named)
