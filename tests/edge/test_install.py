"""What boards have installed already is not replaced."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

try:
    import tomllib
except ImportError:
    tomllib = None  # type: ignore[assignment]
from pathlib import Path


@pytest.mark.skipif(tomllib is None, reason="Python 3.10 cannot read TOML")
@pytest.mark.parametrize(
    ("version", "admitted"),
    [
        ("2.4.0a0+07cecf4168.nv24.05", True),
        ("2.4.0a0+f70bd71a48.nv24.06", True),
        ("2.5.0a0+872d972e41.nv24.08", True),
        ("2.9.0", True),
        ("2.3.0", False),
    ],
)
def test_nvidias_wheels_of_pytorch_are_admitted(version: str, admitted: bool) -> None:
    content = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())
    needs = {Requirement(text).name: Requirement(text) for text in content["project"]["dependencies"]}
    assert needs["torch"].specifier.contains(version, prereleases=True) == admitted
