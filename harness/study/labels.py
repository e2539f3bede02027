"""The keys of a study that say how many samples are labelled, of which a trial can have only one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import Problem
from harness.yaml.text import KeyPath, Located

LABEL_KEYS = ("labels", "labels_per_class", "label_list", "label_rate")


def label_keys(text: Mapping[str, Any], base: KeyPath = ()) -> dict[str, KeyPath]:
    """The label keys that a study or an entry of a data set sets, with their paths in the study."""
    return {key: (*base, key) for key in LABEL_KEYS if text.get(key) is not None}


def swept_label_keys(text: Mapping[str, Any], base: KeyPath = ()) -> dict[str, KeyPath]:
    """The label keys that a study or an entry of a data set sweeps, with their paths in the study."""
    return {key: (*base, "sweep", key) for key in LABEL_KEYS if key in (text.get("sweep") or ())}


def overridden(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The label keys of a study that do not apply to a data set, because its entry sets them or others, or to null.

    label_rate applies beside an entry's label_list: it names one of the lists in a file with several.
    """
    own = {**label_keys(entry), **swept_label_keys(entry)}
    kept = {"label_rate"} if set(own) == {"label_list"} else set()
    null = {key for key in LABEL_KEYS if key in entry and entry[key] is None}
    return tuple(key for key in LABEL_KEYS if key in null or (own and key not in {*own, *kept}))


def label_keys_of(study: Mapping[str, Any], index: int) -> dict[str, KeyPath]:
    """The label keys that apply to a data set, set or swept, with their paths in the study."""
    entry, base = study["datasets"][index], ("datasets", index)
    own = entry if isinstance(entry, dict) else {}
    keys = {key: path for key, path in label_keys(study).items() if key not in overridden(own)}
    keys |= label_keys(own, base)
    return keys | (swept_label_keys(own, base) if "sweep" in own else swept_label_keys(study))


def check_label_keys(located: Located) -> list[Problem]:
    """A problem for each data set with two keys that say how many samples are labelled."""
    problems = []
    for index in range(len(located.value.get("datasets") or ())):
        keys = label_keys_of(located.value, index)
        first, *others = [key for key in LABEL_KEYS if key in keys] or [""]
        if others and [first, *others] != ["label_list", "label_rate"]:
            message = f"{first} and {' and '.join(others)} both say which samples are labelled"
            hint = f"give one of them; also set: {', '.join(f'{k} ({located.location(keys[k])})' for k in others)}"
            problems.append(Problem(located.location(keys[first]), ".".join(map(str, keys[first])), message, hint))
    return problems
