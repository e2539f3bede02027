"""Writes a new study from a data set and some methods, with comments that say what can be changed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness import registry
from harness.data.base import Dataset, Recordings
from harness.data.cache import dataset_named, load
from harness.data.splits import Split, resolve_split, split_indices

COMPARED = ("single-modal", "deepsense", "cpc", "cmc", "cosmo")  # unless other methods are named
LABELS_PER_CLASS = (1, 5, 20)
MOST_NAMES = 12  # subjects or classes that a comment lists
YAML_WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
TEMPLATE = """\
# Show what this study will do, how long it takes and what its repeats can show:
#     harness run {path}{data} --dry-run
# Run it, or continue it after an interruption; the report is runs/{name}/report.html:
#     harness run {path}{data}
# All options, with their values and defaults: `harness describe NAME` for a method, a data set, stage1 or stage2.
study: {name}
question: Which method recognises the classes of {dataset} best when labels are few?

datasets:
  # {facts}
  # classes: {classes}
  # {split}
  - {dataset}

# The installed methods are listed by: harness list methods
methods: [{methods}]
reference: {reference}    # the others are compared with it

# Each combination of these values is run. Other ways to say which samples have a label: labels, label_rate, label_list.
sweep: {{labels_per_class: [{labels}]}}

# Each seed draws other labels and other initial weights. More seeds give narrower intervals and smaller p values.
seeds: 5

# Stage 1 trains the encoders on all training samples without their labels, stage 2 the classifier on the labelled ones.
stage1: {{epochs: 100}}
stage2: {{epochs: 100, evaluate_every: 10}}

# Options of a single method or data set go here:
# options:
#   {reference}: {{stage2: {{lr: 0.001}}}}
"""


def new_study(path: Path, dataset: str, methods: Sequence[str], root: Path | None) -> str:
    """The text of a new study with the name of the file ``path``, which is not written.

    dataset: a data set as in a study, whose files are read from ``root`` to describe it. methods: by default those of
    Cosmo's comparison that can use the number of modalities. Raises `InputError` for an unknown name or unreadable
    data.
    """
    plugin, recordings = _read(dataset, root)
    known = [name for name in COMPARED if registry.get("methods", name).min_modalities <= len(recordings.modalities)]
    chosen = list(dict.fromkeys(methods)) or known
    for name in chosen:
        registry.get("methods", name)
    return TEMPLATE.format(
        path=shlex.quote(str(path)),
        name=_name(path.stem),
        data="" if root is None else f" --data {shlex.quote(str(root))}",
        dataset=dataset,
        facts=_facts(recordings),
        classes=_listed(recordings.classes),
        split=_split(plugin, recordings),
        methods=", ".join(chosen),
        reference="cosmo" if "cosmo" in chosen else chosen[-1],
        labels=", ".join(map(str, _labels(plugin, recordings))),
    )


def _name(stem: str) -> str:
    """A file's name as the name of a study: without other characters, and not a word that YAML reads as a value."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).lstrip("_-")[:70]
    return name if re.match("[A-Za-z]", name) and name.lower() not in YAML_WORDS else f"study_{name}".rstrip("_")


def _read(name: str, root: Path | None) -> tuple[Dataset, Recordings]:
    dataset = dataset_named(name)
    return dataset, load(dataset, root)


def _facts(recordings: Recordings) -> str:
    shapes = ", ".join(f"{one.name} {' × '.join(map(str, one.shape))}" for one in recordings.modalities)
    unlabelled = f", {recordings.n_unlabelled} of them without a label" if recordings.n_unlabelled else ""
    return f"{recordings.n_samples} samples{unlabelled}; modalities: {shapes}"


def _split(dataset: Dataset, recordings: Recordings) -> str:
    """The subjects of the default split, with an example of another one."""
    parts = resolve_split(recordings, Split(), dataset.default_split(recordings))
    shown = "; ".join(f"{part} {_listed(subjects)}" for part, subjects in parts.items() if subjects)
    return f"subjects: {shown}. To test others, set split: {{test: [{parts['train'][0]}]}}"


def _labels(dataset: Dataset, recordings: Recordings) -> list[int]:
    """The numbers of labels per class to compare, none larger than half of the smallest class's training samples."""
    train = split_indices(recordings, Split(), dataset.default_split(recordings))["train"]
    labels = recordings.label[train]
    smallest = int(np.bincount(labels[labels >= 0], minlength=recordings.n_classes).min())
    return [number for number in LABELS_PER_CLASS if number <= max(1, smallest // 2)]


def _listed(values: Sequence[object]) -> str:
    shown = ", ".join(str(value).replace("\n", " ") for value in values[:MOST_NAMES])
    return shown if len(values) <= MOST_NAMES else f"{shown} and {len(values) - MOST_NAMES} more"
