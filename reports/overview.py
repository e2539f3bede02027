"""One report on several studies: an overview first, then the sections of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from reports.cleaning import clean
from reports.document import Column, Document, Note, Prose, Section, Table, Text
from reports.parts.answer import answer
from reports.run import RunData
from reports.sections import all_sections, unique_anchors
from reports.text import count, listing, missing_notes, score_notes


def overview_document(runs: Sequence[RunData], generated: str | None = None) -> Document:
    """The report on several runs. A method has the same style in all of them.

    generated: the date to print, if any.
    """
    methods = sorted({method for run in runs for method in run.methods})
    runs = [replace(run, study={**run.study, "style_among": methods}) for run in runs]
    names = run_names(runs)
    answers = [
        Prose(f"{name}: {' '.join(answer(run, dataset))}")
        for run, name in zip(runs, names, strict=True)
        for dataset in run.datasets
    ]
    notes: list[Note] = []
    sections = [Section("Overview", "overview", (overview_table(runs, names), *answers))]
    for run, name in zip(runs, names, strict=True):
        notes += [replace(note, text=f"{name}: {note.text}") for note in (*score_notes(run), *missing_notes(run))]
        for section in all_sections(run):
            sections.append(Section(f"{name}: {section.title}", f"{name}-{section.anchor}", section.blocks))
    trials = dict(zip(names, (run.trials for run in runs), strict=True))
    title = count(len(runs), "study", "studies")
    return Document(title, listing(names), tuple(notes), unique_anchors(sections), generated, trials)


def run_names(runs: Sequence[RunData]) -> list[str]:
    """A name for each run: that of its study. If several share it, the folder is added, and a number if needed."""
    studies = Counter(str(run.study["study"]) for run in runs)
    names: list[str] = []
    for run in runs:
        study = str(run.study["study"])
        name = wanted = clean(f"{study} ({run.study.get('folder') or 'run'})" if studies[study] > 1 else study)
        number = 1
        while name in names:
            number += 1
            name = f"{wanted} {number}"
        names.append(name)
    return names


def overview_table(runs: Sequence[RunData], names: Sequence[str]) -> Table:
    """One row per run: its question, its data sets, and its numbers of trials by status."""
    rows = []
    for run, name in zip(runs, names, strict=True):
        numbers = (len(run.methods), run.count("done"), run.count("failed"), run.count("pending"))
        question = run.study["question"] or run.study["title"] or "–"
        cells = (Text(name), Text(question), Text(listing(run.datasets)))
        rows.append((*cells, *(Text(str(n), rank=n) for n in numbers)))
    numeric = (Column(title, True) for title in ("Methods", "Done", "Failed", "Pending"))
    columns = (*map(Column, ("Study", "Question", "Data")), *numeric)
    return Table("Studies", "Trials by status.", columns, tuple(rows))
