from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `made_up`
from made_up import realistic

from reports.document import Document
from reports.run import RunData
from reports.sections import document


@pytest.fixture(scope="session")
def run() -> RunData:
    """Two data sets × 7 methods × 4 label rates × 3 seeds; CPC's trial on utd-mhad at 5 %, seed 1, failed."""
    return realistic()


@pytest.fixture(scope="session")
def report(run: RunData) -> Document:
    """The report of `run`, made once for all tests."""
    return document(run)
