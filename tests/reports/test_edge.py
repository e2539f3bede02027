"""The report's section on measurements on devices."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.document import Figure, Row, Table, Text
from reports.formats.html import render
from reports.parts.edge import devices, edge_blocks, pareto_front
from reports.run import REQUIRED, RunData
from reports.sections import document

costs = st.floats(0.1, 1e6)
points = st.dictionaries(st.text(min_size=1, max_size=4), st.tuples(costs, st.floats(0, 1)), min_size=1, max_size=8)


@given(points)
def test_no_point_of_the_front_is_dominated(places: dict[str, tuple[float, float]]) -> None:
    on_front = set(pareto_front(places))
    for name, (cost, gain) in places.items():
        dominated = any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in places.values())
        same_as_one_on_front = any(places[other] == (cost, gain) for other in on_front)
        assert (name in on_front or same_as_one_on_front) != dominated


def run(measured: bool, dataset: str = "d", methods: tuple[str, str] = ("deepsense", "cosmo")) -> RunData:
    rows = []
    for method, accuracy, seconds in zip(methods, (0.3, 0.5), (5.0, 20.0), strict=True):
        for seed in range(3):
            row = dict.fromkeys(REQUIRED) | {
                "key": f"{method}{seed}",
                "dataset": dataset,
                "method": method,
                "seed": seed,
                "status": "done",
            }
            row |= {"accuracy": accuracy + seed / 100, "macro_f1": accuracy}
            if measured:
                row |= {
                    "orin.profile_key": "k" if seed == 0 else None,
                    "orin.stage2_seconds": seconds if seed == 0 else math.nan,
                }
            rows.append(row)
    table = {
        "title": "Training cost on <d>",
        "columns": ["trial", "Cosmo stage 2"],
        "rows": [["all", "20.00 s, not measured"]],
        "notes": ["why"],
    }
    study = dict.fromkeys(("study", "title", "question", "command", "text", "select"), "") | {
        "select": "last", "sweep": {dataset: {}}, "methods": list(methods), "titles": {}, "seeds": [0, 1, 2],
        "chance": {dataset: 0.1},
        "data": {}, "options": [], "versions": {}, "edge": [table] if measured else [],
    }  # fmt: skip
    return RunData(pd.DataFrame(rows), study)


def drawn(of: RunData) -> list[Figure]:
    return [figure for block in edge_blocks(of) if isinstance(block, Row) for figure in block.figures]


def test_costs_are_tabulated_and_drawn_against_accuracy() -> None:
    blocks = list(edge_blocks(run(measured=True)))
    assert devices(run(measured=True)) == ["orin"]
    tables = [block.title for block in blocks if isinstance(block, Table)]
    assert tables == ["Training cost on <d>"]
    (figure,) = drawn(run(measured=True))
    assert "deepsense: 31.0 % at 5" in figure.alt
    assert "deepsense and cosmo" in figure.caption  # the more expensive one is more accurate
    page = render(document(run(measured=True)))
    assert "On the edge" in page
    assert "Training cost on <d>" not in page


@pytest.mark.parametrize(
    ("dataset", "methods", "rows"),
    [
        ("usc-had", ("deepsense", "cosmo"), ["Cosmo, stage 1", "Cosmo, stage 2", "DeepSense"]),
        ("usc-had", ("cmc", "attnsense"), ["AttnSense"]),
        ("usc-had", ("cmc", "cpc"), None),
        ("utd-mhad", ("deepsense", "cosmo"), None),
    ],
)
def test_the_papers_costs_are_shown_only_where_they_apply(
    dataset: str, methods: tuple[str, str], rows: list[str] | None
) -> None:
    blocks = edge_blocks(run(True, dataset, methods))
    tables = [block for block in blocks if isinstance(block, Table) and block.title.startswith("The paper")]
    if rows is None:
        assert tables == []
        return
    (table,) = tables
    assert [row[0] for row in table.rows] == [Text(name) for name in rows]
    first = {"Cosmo, stage 1": "101.19 min, 7286.07 kJ", "AttnSense": "62.52 min, 51.71 kJ"}[rows[0]]
    assert table.rows[0][1] == Text(first)
    assert bool(table.notes) == ("cosmo" in methods)  # on the energy of stage 1


def test_latencies_are_drawn_up_to_the_highest_supported_percentile() -> None:
    made = run(measured=True)
    curve = {"dataset": "d", "device": "orin", "runtime": "eager", "precision": "fp32", "batch_size": 1, "n": 12}
    curves = [
        {**curve, "method": method, "shares": [0.0, 0.5], "seconds": [0.001, 0.002]}
        for method in ("deepsense", "cosmo")
    ]
    _, figure = drawn(RunData(made.trials, {**made.study, "latency": curves}))
    assert figure.title == "Latencies on d, measured on orin (eager fp32, batch 1)"
    assert "cosmo 1 to 2 ms" in figure.alt
    assert [line.y for line in figure.chart.panels[0].series] == [(0, 50), (0, 50)]  # type: ignore[union-attr]


def test_without_devices_there_is_no_section() -> None:
    assert list(edge_blocks(run(measured=False))) == []
    assert "On the edge" not in render(document(run(measured=False)))
