"""Values of a draft as YAML in one line."""

from __future__ import annotations

import re

from harness.data.importing.config import TextFormat

WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


def quoted(value: object) -> str:
    """A text, number or truth value as YAML in one line."""
    if not isinstance(value, str):
        return str(value).lower()
    if value == "\t":
        return '"\\t"'
    is_plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./]*", value) and value.lower() not in WORDS
    return value if is_plain else "'" + value.replace("'", "''") + "'"


def listed(values: list[str]) -> str:
    return f"[{', '.join(map(quoted, values))}]"


def form_keys(form: TextFormat) -> list[str]:
    """The keys of a text file's form that are not at their defaults, each as KEY: VALUE."""
    usual = TextFormat().to_json()
    return [f"{name}: {quoted(value)}" for name, value in form.to_json().items() if value != usual[name]]
