"""The quality of the modalities in reports: intervals, and what the data do not determine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from made_up import make

from reports.document import Table
from reports.parts.modalities import modality_blocks, quality_cautions
from reports.run import RunData

REASON = "k_opt is 54 for all samples and 45 to 54 for subsets of them, which reaches the upper end of its range"


def run_with(*qualities: dict[str, Any]) -> RunData:
    """A run of Cosmo in which stage 1 of each seed found one of these qualities of the modality acc."""
    run = make({"usc-had": {}}, methods=["cosmo"], seeds=len(qualities))
    stages = {
        f"s{seed}": {"method": "cosmo", "dataset": "usc-had", "seed": seed, "quality": {"acc": quality}}
        for seed, quality in enumerate(qualities)
    }
    return replace(run, details={key: {} for key in run.trials["key"]}, pretrained=stages)


def quality(k_opt: int, **more: Any) -> dict[str, Any]:
    return {"hopkins": 0.8, "k_opt": k_opt, "score": 0.4, "weight": 0.25, **more}


def quality_table(run: RunData) -> Table:
    (table,) = [block for block in modality_blocks(run, "usc-had") if isinstance(block, Table)]
    return table


def test_intervals_and_what_is_not_identified() -> None:
    intervals = {"hopkins_interval": [0.7, 0.9], "score_interval": [0.1, 0.5], "weight_interval": [0.2, 0.3]}
    at_end = quality(54, **intervals, k_opt_interval=[45, 54], identified=False, reason=REASON)
    found = quality(20, **intervals, k_opt_interval=[19, 21], identified=True, reason="")
    run = run_with(at_end, found)
    table = quality_table(run)
    cells = [getattr(cell, "text", None) for cell in table.rows[0]]
    assert cells == [
        "Cosmo", "acc", "0.800 (0.700 to 0.900)", "37.0 (32.0 to 37.5)", "0.400 (0.100 to 0.500)",
        "0.250 (0.200 to 0.300)", "1 of 2",
    ]  # fmt: skip
    assert f"acc ({REASON})" in table.notes[-1].text
    assert quality_cautions(run) == [
        "Cosmo on usc-had: the data do not determine k_opt of acc, so the weights of guide 'quality' are uncertain"
    ]
    identified = run_with(found, found)
    assert not quality_table(identified).notes
    assert not quality_cautions(identified)


def test_records_of_earlier_versions_have_no_intervals() -> None:
    run = run_with(quality(20), quality(22))
    table = quality_table(run)
    assert [getattr(cell, "text", None) for cell in table.rows[0][2:]] == [
        "0.800", "21.000", "0.400", "0.250", "–",
    ]  # fmt: skip
    assert not table.notes
    assert not quality_cautions(run)
