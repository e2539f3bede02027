"""The files of a study's data sets are looked for beside the faults of the study itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from harness.errors import StudyError
from harness.plan.data_files import check_data_of
from harness.study import bundled_studies, find_study, parse_study

STUDY = "study: a\nseeds: 0\ndatasets: [{}]\nmethods: [deepsense]\n"


def faults(datasets: str, root: Path | None) -> list[str]:
    with pytest.raises(StudyError) as caught:
        check_data_of(root, partial(parse_study, STUDY.format(datasets), Path("a.yaml")))
    return [str(problem) for problem in caught.value.problems]


def test_missing_files_are_reported_with_the_faults_of_the_study(tmp_path: Path) -> None:
    seeds, files = faults("utd-mhad, fantasy-device", tmp_path)
    assert "seeds: 0" in seeds
    assert files.startswith("a.yaml:3: datasets: utd-mhad")
    assert f"{tmp_path} contains none of" in files


def test_a_missing_folder_is_reported_once(tmp_path: Path) -> None:
    folder, seeds = faults("utd-mhad, usc-had", tmp_path / "no")
    assert f"the data folder {tmp_path / 'no'} does not exist" in folder
    assert "seeds: 0" in seeds


def test_a_name_of_ones_own_files_suggests_the_data_set_that_reads_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", a=np.zeros(1))
    (tmp_path / "mine.json").write_text("{}")
    hints = {fault.split("'")[1]: fault for fault in faults("mine, other", tmp_path) if "no data set" in fault}
    assert f"{tmp_path} contains files of this name: write arrays:mine" in hints["mine"]
    assert "arrays:other" not in hints["other"]


def test_a_bundled_study_is_found_by_its_path_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bundled = {study.stem: study for study in bundled_studies()}
    assert find_study(Path("studies/label_rate.yaml")) == find_study(Path("label_rate")) == bundled["label_rate"]
    for other in ("label_rate.yaml", "elsewhere/label_rate.yaml", "studies/mine.yaml"):
        assert find_study(Path(other)) == Path(other)
    mine = tmp_path / "studies" / "label_rate.yaml"
    mine.parent.mkdir()
    mine.write_text("study: mine\n")
    assert find_study(Path("studies/label_rate.yaml")) == Path("studies/label_rate.yaml")
