from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from made_up import METHODS, make

from reports.charts import HeatMap
from reports.document import Document, Figure
from reports.formats.drawing import page_svg, paper_svg
from reports.formats.drawing.svg import SVG
from reports.parts.figures import curves, heat_maps, numeric_option
from reports.run import RunData
from reports.style import PATHS, colour, marker, styles

HERE = Path(__file__).resolve().parent


def figures(report: Document) -> list[Figure]:
    return [block for block in report.blocks if isinstance(block, Figure)]


def ids(svg: str) -> list[str]:
    return [element.attrib["id"] for element in ElementTree.fromstring(svg).iter() if "id" in element.attrib]


def words(svg: str) -> str:
    return " ".join(element.text or "" for element in ElementTree.fromstring(svg).iter(f"{{{SVG}}}text"))


def test_a_page_has_an_overview_and_a_figure_for_each_data_set_and_metric(report: Document) -> None:
    assert [len(figure.chart.panels) for figure in figures(report)[:5]] == [2, 1, 1, 1, 1]  # type: ignore[union-attr]


def test_figures_can_share_a_page(report: Document) -> None:
    """Ids are unique over all figures, references stay within a figure, and there are no style sheets or metadata."""
    drawn = figures(report)
    svgs = [page_svg(figure) for figure in drawn]
    all_ids = [name for svg in svgs for name in ids(svg)]
    assert len(set(all_ids)) == len(all_ids)
    for svg in svgs:
        own = set(ids(svg))
        for element in ElementTree.fromstring(svg).iter():
            for value in element.attrib.values():
                if value.startswith(("#f", "url(#")):
                    assert value.removeprefix("url(").strip("#)") in own
        assert svg.startswith("<svg ")
        assert not any(word in svg for word in ("<style", "<metadata", "<!DOCTYPE", "#010203", "dc:date"))


def test_text_is_kept_as_text_in_the_colour_of_the_page(report: Document, run: RunData) -> None:
    svg = page_svg(figures(report)[0])
    for word in ("utd-mhad", "usc-had", "Accuracy (%)", "label rate", "20 %"):
        assert word in words(svg)
    assert "currentColor" in svg


def test_a_method_has_the_same_style_everywhere(report: Document) -> None:
    style = styles(list(METHODS))
    assert style == styles(sorted(METHODS, reverse=True))
    for figure in figures(report)[:5]:
        svg = page_svg(figure)
        assert all(f'class="style-{place}"' in svg and colour(place) in svg for place in style.values())
    many = styles([f"method {i:02}" for i in range(60)])
    assert len({(colour(place), marker(place)) for place in many.values()}) == 60
    assert all(marker(place) in PATHS for place in many.values())


def test_points_have_tips(report: Document) -> None:
    tips = [
        e.attrib["data-tip"]
        for e in ElementTree.fromstring(page_svg(figures(report)[1])).iter()
        if "data-tip" in e.attrib
    ]
    assert len(tips) == 7 * 4
    assert any(re.fullmatch(r"Cosmo at 5 %: 48\.3 ± \d\.\d \(n = 3\)", tip) for tip in tips)


def test_the_alternative_text_has_the_numbers(report: Document) -> None:
    alt = figures(report)[1].alt
    assert "Mean Accuracy on utd-mhad against label rate" in alt
    assert "Cosmo 48.3 % at 5 % to 72.0 % at 20 %" in alt
    assert "Chance is 3.7 %." in alt
    assert ElementTree.fromstring(page_svg(figures(report)[1])).attrib["aria-label"] == alt


def test_the_same_run_gives_the_same_bytes_in_any_process() -> None:
    code = (
        "import made_up, reports.parts.figures as f, reports.formats.drawing as d; "
        "run = made_up.make({'utd-mhad': {'label_rate': [.05, .1]}}); "
        "print(d.page_svg(f.curves(run, ['utd-mhad'])))"
    )
    made = set()
    for seed in ("1", "2"):
        path = os.pathsep.join([str(HERE), str(HERE.parent.parent)])
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        made.add(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout)
    assert len(made) == 1


@pytest.mark.parametrize("values", [["a", "b"], [True, False], [None, 100], [0.5]])
def test_names_and_single_points_are_not_drawn(values: list[Any]) -> None:
    run = make({"utd-mhad": {"some.option": values}}, methods=["cosmo"])
    assert numeric_option(run, "utd-mhad") is None
    assert curves(run, ["utd-mhad"]) is None


def test_without_a_sweep_or_results_there_is_no_figure() -> None:
    assert curves(make({"utd-mhad": {}}), ["utd-mhad"]) is None
    assert (
        curves(make({"utd-mhad": {"label_rate": [0.05, 0.1]}}, spoil=lambda t: {"status": "pending"}), ["utd-mhad"])
        is None
    )


@pytest.mark.filterwarnings("error")
def test_unusual_names_gaps_and_one_seed_are_drawn() -> None:
    hostile = {"cosmo": "<script>$x_", "cmc": "_hidden & \x1b[31mred"}
    run = make(
        {"utd-mhad": {"unlabeled": [1, 10, 100]}},
        methods=list(hostile),
        seeds=1,
        titles=hostile,
        spoil=lambda t: {"status": "failed"} if t["method"] == "cmc" and t["unlabeled"] == 10 else {},
    )
    figure = curves(run, ["utd-mhad"])
    assert figure is not None
    assert "a single seed, so there is no interval" in figure.caption
    assert "<script" not in page_svg(figure)
    assert "<script>$x_ at 1: " in " ".join(ElementTree.fromstring(page_svg(figure)).itertext()) + str(
        [element.attrib.get("data-tip") for element in ElementTree.fromstring(page_svg(figure)).iter()]
    )
    legend = {element.text for element in ElementTree.fromstring(paper_svg(figure)).iter(f"{{{SVG}}}text")}
    assert {"<script>$x_", "_hidden & red", "Chance"} <= legend


def test_two_swept_options_give_a_matrix_for_each_method() -> None:
    run = make({"utd-mhad": {"label_rate": [0.05, 0.1], "cosmo.positives": [3, 9, 27]}}, methods=["cmc", "cosmo"])
    drawn = heat_maps(run, "utd-mhad")
    assert [type(figure.chart) for figure in drawn] == [HeatMap, HeatMap]
    chart = drawn[1].chart
    assert isinstance(chart, HeatMap)
    assert (chart.row_names, chart.column_names) == (("5 %", "10 %"), ("3", "9", "27"))
    trials = run.trials.query("method == 'cosmo' and label_rate == 0.1 and `cosmo.positives` == 9")
    assert chart.values[1][1] == pytest.approx(100 * trials["accuracy"].mean())
    assert "highest at 10 % / 27" in drawn[1].alt
    assert heat_maps(make({"utd-mhad": {"label_rate": [0.05, 0.1]}}), "utd-mhad") == ()
