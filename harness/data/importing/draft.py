"""A first draft of ``import.yaml``, from the names and the first lines of the files in a folder."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.data.importing.column_roles import FEWEST_ROWS, Channels, Roles, roles_of
from harness.data.importing.config import TextFormat
from harness.data.importing.draft_tables import table_of_values
from harness.data.importing.draft_yaml import form_keys, listed, quoted
from harness.data.importing.names import SEPARATORS, Pattern, pattern_of, sensor_position
from harness.data.importing.sniffing import Head, head_of
from harness.data.importing.tables import FORMATS
from harness.errors import DataError
from reports.cleaning import clean

MOST_HEADS = 200  # files that are looked into


@dataclass(frozen=True)
class _Group:
    """Files with the same columns."""

    pattern: Pattern
    roles: Roles
    form: TextFormat
    is_sensor: bool  # whether the names of the files say which sensor it is

    def named(self) -> dict[str, Channels]:
        if not self.is_sensor:
            return {one.name: one for one in self.roles.channels}
        several = len(self.roles.channels) > 1
        kind = re.sub(r"[^A-Za-z0-9._-]", "", self.pattern.sensor).lstrip("._-") or "sensor"
        return {f"{kind}_{one.name}" if several else kind: one for one in self.roles.channels}


def draft(folder: Path) -> str:
    """The text of a first ``import.yaml``. Raises `DataError` if the folder has no table of samples."""
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in FORMATS and path.is_file()]
    paths = [path for path in paths if not path.name.startswith(".")]
    if not paths:
        raise DataError(f"{folder}: there is no file that can be imported; known: {', '.join(FORMATS)}")
    empty = [path for path in paths if not path.stat().st_size]
    sizes: Counter[tuple[str, int]] = Counter()
    for path in paths:
        sizes[_shape(folder, path)] += path.stat().st_size
    shape = sizes.most_common(1)[0][0]
    alike = {
        path.relative_to(folder).as_posix(): SEPARATORS.split(_stem(folder, path))
        for path in paths
        if path not in empty and _shape(folder, path) == shape
    }
    if not alike:
        raise DataError(f"{folder}: all files that can be imported are empty")
    groups, unread = _groups(folder, shape[0], alike)
    if not groups:
        reason = next(iter(unread.values()), f"it needs at least {FEWEST_ROWS} rows and a column of numbers")
        raise DataError(f"{folder}: no file was found to be a table of samples: {reason}")
    used = {name for name in alike for group in groups if group.pattern.matches(name)} - set(unread)
    others = [path.relative_to(folder).as_posix() for path in paths if path not in empty]
    excluded = [path.relative_to(folder).as_posix() for path in empty] + list(unread)
    return _text(folder, groups, [name for name in others if name not in used and name not in unread], excluded)


def _stem(folder: Path, path: Path) -> str:
    name = path.relative_to(folder).as_posix()
    return name[: len(name) - len(path.suffix)]


def _shape(folder: Path, path: Path) -> tuple[str, int]:
    """Files of one kind have the same suffix, and as many parts in their names."""
    return path.suffix, len(SEPARATORS.split(_stem(folder, path)))


def _groups(folder: Path, suffix: str, tokens: dict[str, list[str]]) -> tuple[list[_Group], dict[str, str]]:
    """The groups of files, and the reason for each file that can't be read."""
    heads: dict[str, Head] = {}
    unread: dict[str, str] = {}
    for name in _samples(tokens):
        try:
            heads[name] = head_of(folder / name)
        except DataError as error:
            unread[name] = str(error)
    roles = {name: roles_of(head) for name, head in heads.items() if len(head.frame)}
    unread |= {name: f"{folder / name}: it has no rows" for name in heads if name not in roles}
    tokens = {name: parts for name, parts in tokens.items() if name not in unread}
    if not tokens:
        return [], unread
    columns = {name: tuple(map(str, heads[name].frame.columns)) for name in roles}
    position = sensor_position(tokens, columns)
    if position is None:  # a table of labels may be among them
        tokens = {name: parts for name, parts in tokens.items() if name not in roles or roles[name].channels}
        position = sensor_position(tokens, columns) if tokens else None
    kinds: dict[str, str] = {}
    for name, parts in tokens.items():
        if name in roles and roles[name].channels:
            kinds.setdefault(parts[position] if position is not None else "", name)
    if position is None and len(tokens) == 1 and not any(one.subject for one in roles.values()):
        only = next(iter(tokens.values()))
        pattern = Pattern("".join(only[:-1]) + "{subject}" + suffix, values={"subject": [only[-1]]})
        return [_Group(pattern, roles[name], heads[name].form, False) for name in kinds.values()], unread
    found = [
        _Group(pattern_of(tokens, position, kind, suffix), roles[name], heads[name].form, position is not None)
        for kind, name in kinds.items()
    ]
    return found, unread


def _samples(tokens: dict[str, list[str]]) -> list[str]:
    """A file for each value of each part of the names."""
    seen: dict[tuple[int, str], str] = {}
    for name, parts in tokens.items():
        for position, part in enumerate(parts):
            seen.setdefault((position, part), name)
    return list(dict.fromkeys(seen.values()))[:MOST_HEADS]


def _text(folder: Path, groups: list[_Group], others: list[str], excluded: list[str]) -> str:
    first = groups[0]
    from_start = _clocks_differ([one for group in groups for one in group.roles.channels])
    label_lines, renamed = _label(folder, groups, others, from_start)
    files = {id(group): _renamed(group.pattern.files, renamed) for group in groups}
    lines = [
        "# A first draft, from the names and first lines of the files. Check every line, above all those marked CHECK.",
        f"# Then: harness data import {shlex.quote(str(folder))} --config import.yaml --out DATA/NAME, and use "
        "arrays:NAME in a study.",
        "# harness data import --keys prints all keys that there are.",
        f"files: {quoted(files[id(first)])}  # the files of one recording have the same values of the {{placeholders}}",
    ]
    if excluded:
        lines.append(f"exclude: {listed(excluded)}  # CHECK: no rows, or can't be read")
    lines += form_keys(first.form)
    lines.append("modalities:")
    for group in groups:
        for name, channels in group.named().items():
            lines += _modality(name, channels, files[id(group)] if len(groups) > 1 else "", from_start)
            if group.form != first.form:
                lines += [f"    format: {{{', '.join(form_keys(group.form))}}}"]
    lines += label_lines
    lines += _subject(groups, renamed)
    if first.roles.subject and not first.is_sensor and "{" not in first.pattern.files:
        lines.append(f"split_by: [{quoted(first.roles.subject)}]  # CHECK: columns that separate recordings")
    lines += [
        "windows: {seconds: 2, overlap: 0.5, purity: 0.5, impure: drop}",
        "missing: {policy: refuse}  # or drop the windows, or {policy: interpolate, up_to: 5}",
        "# unordered: sort  # rows whose time goes back or repeats; by default the import stops at them",
        "# null_labels: [0]  # labels of the null class, which null_class drops, keeps or makes unlabelled",
        "# null_class: drop",
    ]
    lines += [f"# not used: {name}" for name in others[:10]]
    return "\n".join(clean(line).replace("\n", " ") for line in lines) + "\n"  # names of files and columns


def _modality(name: str, channels: Channels, files: str, from_start: bool) -> list[str]:
    lines = [f"  {name}:", *([f"    files: {quoted(files)}"] if files else [])]
    lines.append(f"    columns: {listed(channels.columns)}  # CHECK: only the sensor's channels")
    if channels.where:
        selected = ", ".join(f"{quoted(column)}: {quoted(value)}" for column, value in channels.where.items())
        lines.append(f"    where: {{{selected}}}")
    timing = channels.timing
    if timing.columns:
        lines.append(f"    time: {quoted(timing.columns[0]) if len(timing.columns) == 1 else listed(timing.columns)}")
        lines.append(f"    time_unit: {timing.guessed.clock.time_unit}  # CHECK: s, ms, us, ns, hms, samples or date")
        if form := timing.guessed.clock.date_format:
            swap = "; is the day first?" if "%d/%m" in form or "%m/%d" in form or "%d-%m" in form else ""
            lines.append(f"    date_format: {quoted(form)}  # CHECK{swap}")
        if from_start:
            lines.append("    from_start: true  # CHECK: the clocks differ, so that each is counted from its start")
    if channels.start_line:
        lines.append(f"    start_line: {channels.start_line}  # CHECK: it begins with the time of the first sample")
    if timing.unused:
        lines.append(f"    # time: {quoted(timing.unused[0])}  # CHECK: it {timing.unused[1]}")
    rate = f"{_rounded(channels.rate):g}  # CHECK: samples per second" if channels.rate else "100  # CHECK: a guess"
    resample = "    # resample: 50  # samples per second after the import"
    return [*lines, f"    rate: {rate}", resample, f"    unit: {quoted(channels.unit)}"]


def _clocks_differ(channels: list[Channels]) -> bool:
    """Whether one clock starts more than a day after another."""
    firsts = [one.timing.guessed.first for one in channels if one.timing.columns]
    return len(firsts) == len(channels) and max(firsts) - min(firsts) > 86400


def _label(folder: Path, groups: list[_Group], others: list[str], from_start: bool) -> tuple[list[str], dict[str, str]]:
    """The lines of the label, and new names of placeholders that a table has columns for."""
    for group in groups:
        of = f", of: {list(group.named())[group.roles.label_of]}"
        if group.roles.label:
            return [f"label: {{column: {quoted(group.roles.label)}{of}}}  # empty: no label"], {}
        if group.roles.one_hot:
            return [f"label: {{columns: {listed(group.roles.one_hot)}{of}}}  # one-hot; all 0: no label"], {}
    found = table_of_values(folder, groups[0].pattern, others, from_start)
    if found:
        others[:] = [name for name in others if not Pattern(found.file).matches(name)]
        return [f"label: {{{found.text}}}  # CHECK"], found.renamed
    if place := next((name for name in groups[0].pattern.values if name == "activity"), None):
        return [f"label: {{name: {place}}}  # CHECK"], {}
    return [
        "# label: {column: NAME}, {name: PLACEHOLDER} or {table: labels.csv, value: label}, with start and end  # CHECK"
    ], {}


def _subject(groups: list[_Group], renamed: dict[str, str]) -> list[str]:
    values = groups[0].pattern.values
    if "subject" in values:
        return [f"subject: {{name: {renamed.get('subject', 'subject')}}}"]
    group = next((group for group in groups if group.roles.subject), None)
    if group and group.roles.subject:
        return [f"subject: {{column: {quoted(group.roles.subject)}, of: {next(iter(group.named()))}}}"]
    places = [name for name in values if name != "activity"] or ["subject"]
    return [f"subject: {{name: {renamed.get(places[0], places[0])}}}  # CHECK: who was recorded"]


def _renamed(files: str, renamed: dict[str, str]) -> str:
    for old, new in renamed.items():
        files = files.replace(f"{{{old}}}", f"{{{new}}}")
    return files


def _rounded(rate: float) -> float:
    """The nearest whole rate if it is within one per cent, since time stamps jitter."""
    return round(rate) if round(rate) and abs(round(rate) / rate - 1) < 0.01 else float(f"{rate:.4g}")
