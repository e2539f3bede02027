"""Limits on the YAML of a user. They are checked on its events, before anything is built from them.

A few lines with aliases can stand for more values than a memory holds, and a few thousand brackets for more levels
than Python's stack has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent, ScalarEvent

from harness.errors import Problem, StudyError

MAX_BYTES = 64 * 2**10  # of a study, which takes a second to parse
MAX_DEPTH = 30
MAX_VALUES = 100_000  # with each alias counted as all that it stands for
MAX_DIGITS = 100

_LONG_NUMBER = re.compile(rf"[-+.]?[0-9][-+.0-9_a-fA-FxoXO]{{{MAX_DIGITS},}}")


def check_limits(text: str, name: str) -> None:
    """Raise `StudyError` with the line of a tag, or of what exceeds a limit. Raises what ruamel.yaml raises.

    name: of the text in messages.
    """
    if len(text) > MAX_BYTES:
        raise StudyError([Problem(name, "", f"the text is longer than {MAX_BYTES:,} characters")])
    counter = _Counter(name)
    for event in YAML(typ="rt", pure=True).parse(text):
        counter.see(event)


@dataclass
class _Counter:
    """Counts values and levels while it sees the events of a text. sizes: anchor → number of values."""

    name: str
    values: int = 0
    opened: list[tuple[str | None, int]] = field(default_factory=list)  # anchor, and the number of values before it
    sizes: dict[str, int] = field(default_factory=dict)

    def see(self, event: Any) -> None:
        if isinstance(event, CollectionEndEvent):
            anchor, before = self.opened.pop()
            if anchor:
                self.sizes[anchor] = self.values - before
        elif isinstance(event, AliasEvent):
            if any(anchor == event.anchor for anchor, _ in self.opened):
                self._refuse(event, f"*{event.anchor} is inside the value that it stands for", "write the value out")
            self.values += self.sizes.get(event.anchor, 1)  # ruamel.yaml reports an undefined alias
        elif isinstance(event, NodeEvent):
            self._see_node(event)
        if self.values > MAX_VALUES:
            self._refuse(event, f"the text stands for more than {MAX_VALUES:,} values", "use fewer aliases (*name)")

    def _see_node(self, event: Any) -> None:
        self.values += 1
        if event.tag is not None:
            self._refuse(event, "YAML tags (!…) are not allowed", "write plain values")
        if isinstance(event, CollectionStartEvent):
            self.opened.append((event.anchor, self.values - 1))
            if len(self.opened) > MAX_DEPTH:
                self._refuse(event, f"lists and mappings are nested more than {MAX_DEPTH} levels deep")
        elif isinstance(event, ScalarEvent):
            if event.anchor:
                self.sizes[event.anchor] = 1
            if event.style is None and _LONG_NUMBER.fullmatch(event.value):
                self._refuse(event, f"a number of more than {MAX_DIGITS} digits")

    def _refuse(self, event: Any, message: str, hint: str = "") -> None:
        raise StudyError([Problem(f"{self.name}:{event.start_mark.line + 1}", "", message, hint)])
