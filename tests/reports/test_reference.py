"""The method that the others are compared with: the study's choice, or a default."""

import pytest
from made_up import make

from reports.formats.html import render
from reports.sections import document

RATES = {"utd-mhad": {"label_rate": [0.05]}}


@pytest.mark.parametrize(
    ("methods", "asked", "reference"),
    [
        (("deepsense", "cosmo", "cmc"), {}, "cosmo"),
        (("deepsense", "cpc", "cmc"), {}, "cmc"),
        (("deepsense", "cosmo", "cmc"), {"reference": "deepsense"}, "deepsense"),
        (("deepsense", "cosmo", "cmc"), {"reference": None}, "cosmo"),
    ],
)
def test_the_study_sets_it_or_the_default_applies(
    methods: tuple[str, ...], asked: dict[str, str | None], reference: str
) -> None:
    assert make(RATES, methods, **asked).reference == reference


def test_the_report_compares_with_it() -> None:
    page = render(document(make(RATES, ("deepsense", "cosmo", "cmc"), seeds=5, reference="deepsense")))
    assert "relative to DeepSense" in page
    assert "relative to Cosmo" not in page
