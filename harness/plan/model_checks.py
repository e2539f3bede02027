"""Checks that the models of a method can be built with the options of a study."""

from __future__ import annotations

from typing import Any

from harness import registry
from harness.keys import content_key
from harness.memo import Memo
from harness.method import Method, Task
from harness.study import Settings


class ModelChecks:
    """Builds models as a check, each only once; `harness.memo` keeps which ones passed."""

    def __init__(self) -> None:
        self._passed: set[str] = set()

    def check(
        self, method: Method, settings: Settings, task: Task, variant: str, start: tuple[Method, Settings] | None
    ) -> None:
        """Raise `InputError` if a model can't be built.

        start: another method whose stage 1 the variant starts from, with its settings, or None.
        """
        options = [stage.to_json() if stage else None for stage in (settings.stage1_options, settings.stage2_options)]
        about: list[Any] = [method.name, [modality.to_json() for modality in task.modalities], task.n_classes, options]
        other, other_options = (start[0], start[1].stage1_options) if start else (None, None)
        if other:
            about += [variant, other.name, other_options.to_json() if other_options else None]
        key = content_key(about)
        if key not in self._passed:
            memo = Memo("checks", about)
            known = _is_registered(method) and (other is None or _is_registered(other))
            if not (memo.read() and known):
                method.check(task, settings.stage1_options, settings.stage2_options)
                if other:
                    method.check_stage1_of(other, other_options, task, settings.stage2_options, variant)
                memo.write(True)
        self._passed.add(key)


def _is_registered(method: Method) -> bool:
    """Whether the method is the one that the registry names, so that the memo of its check holds for it."""
    kind = type(method)
    return registry.paths("methods").get(method.name) == f"{kind.__module__}:{kind.__qualname__}"
