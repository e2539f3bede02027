"""Help texts and completion: no stray spaces, an example for every command, names completed by the shell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from harness import registry
from harness.cli import app
from tests.cli.in_process import harness


def commands(command: Any, name: str = "harness") -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {word}")


COMMANDS = dict(commands(get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_texts_are_clean(name: str) -> None:
    command = COMMANDS[name]
    texts = [command.help, *(parameter.help for parameter in command.params if getattr(parameter, "help", None))]
    for text in texts:
        assert text == text.strip()
        assert not re.search(r"  | [.,;:)]|\( ", text), text
        assert text.endswith((".", "study.schema.json")), text
    if not hasattr(command, "commands"):
        assert command.epilog.startswith(f"Example: {name}"), name


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("harness desc", {"describe"}),
        ("harness describe usc", {"usc-had"}),
        ("harness init a.yaml --dataset utd", {"utd-mhad"}),
        ("harness init a.yaml --method ", set(registry.BUILT_IN["methods"])),
    ],
)
def test_the_shell_completes_names(words: str, found: set[str]) -> None:
    asked = {"_HARNESS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = harness(**asked)
    assert found <= set(done.stdout.split()), done.stderr
