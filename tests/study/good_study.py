"""A study without a fault, for tests that put one in."""

from pathlib import Path

import pytest

from harness.errors import StudyError
from harness.study import Study, read_study

GOOD = """\
study: trial
datasets:
  - fantasy-device
methods: [deepsense, cosmo]
sweep: {label_rate: [0.1, 0.2]}
seeds: 2
stage2: {epochs: 7}
options:
  cosmo: {lambda: 0.5}
"""


def read(tmp_path: Path, text: str, *overrides: str) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return read_study(path, overrides)


def problems(tmp_path: Path, text: str, *overrides: str) -> list[str]:
    with pytest.raises(StudyError) as caught:
        read(tmp_path, text, *overrides)
    return [str(problem).replace(str(tmp_path) + "/", "") for problem in caught.value.problems]
