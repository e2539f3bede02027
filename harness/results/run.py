"""A run read back from its folder: every file once."""

from __future__ import annotations

from pathlib import Path

from harness.ledger import Ledger, Record


class RunResults(Ledger):
    """The ledger of a run as it stood when it was opened: plan, study and each record are read once and kept.

    What a command shows is a view of this snapshot, so the parts of one table or report can't contradict each other while
    the run goes on. To see newer records, open the run again.
    """

    def __init__(self, root: Path):
        super().__init__(root)
        self._files: dict[Path, Record] = {}

    def plan(self) -> Record:
        return self._once(self.root / "plan.json")

    def study(self) -> Record:
        return self._once(self.root / "study.json")

    def record(self, key: str) -> Record | None:
        path = self._record_path(key)
        return self._once(path) if path in self._files or path.is_file() else None

    def _once(self, path: Path) -> Record:
        if path not in self._files:
            self._files[path] = self._read(path)
        return self._files[path]
