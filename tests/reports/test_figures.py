from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from made_up import METHODS, make

from reports.charts import ForestPlot, HeatMap, LineChart, Panel, Series
from reports.document import Document, Figure, Row
from reports.formats.drawing import page_svg, paper_svg
from reports.formats.drawing.svg import SVG
from reports.parts.answer import rankings
from reports.parts.figures import curves, heat_maps, numeric_option, ranking
from reports.parts.learning import learning_blocks
from reports.parts.point_details import first_point_details
from reports.run import RunData
from reports.style import PATHS, colour, line_style, marker, styles

HERE = Path(__file__).resolve().parent


def figures(report: Document) -> list[Figure]:
    return [block for block in report.blocks if isinstance(block, Figure)]


def ids(svg: str) -> list[str]:
    return [element.attrib["id"] for element in ElementTree.fromstring(svg).iter() if "id" in element.attrib]


def words(svg: str) -> str:
    return " ".join(element.text or "" for element in ElementTree.fromstring(svg).iter(f"{{{SVG}}}text"))


def test_a_page_has_an_overview_and_a_figure_for_each_data_set_and_metric(report: Document) -> None:
    charts = [figure.chart for figure in figures(report)[:7]]
    assert [type(chart) for chart in charts] == [ForestPlot] * 2 + [LineChart] * 5
    assert [len(chart.panels) for chart in charts if isinstance(chart, LineChart)] == [2, 1, 1, 1, 1]


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
    svg = page_svg(figures(report)[2])
    for word in ("utd-mhad", "usc-had", "Accuracy (%)", "label rate", "20 %"):
        assert word in words(svg)
    assert "currentColor" in svg


def test_a_method_has_the_same_style_in_any_company() -> None:
    alone, among = styles(["cosmo", "mine"]), styles(["cmc", "cosmo", "deepsense", "mine"])
    assert alone["cosmo"] == among["cosmo"]
    assert alone["mine"] == among["mine"]
    assert len({colour(style) for style in styles([f"m{i}" for i in range(8)]).values()}) == 8
    many = styles([f"m{i}" for i in range(16)]).values()
    assert len({(colour(style), line_style(style)) for style in many}) == 16
    assert [line_style(style) for style in range(9)] == ["-"] * 8 + [line_style(8)]


def test_a_ranking_has_the_best_first_and_the_reference_on_a_background(run: RunData) -> None:
    (groups,) = rankings(run, "utd-mhad")
    figure = ranking(run, "utd-mhad", groups)
    assert isinstance(figure.chart, ForestPlot)
    means = [one.mean for one in figure.chart.estimates]
    assert means == sorted(means, reverse=True)
    assert [one.name for one in figure.chart.estimates if one.highlighted] == ["Cosmo"]
    assert figure.chart.level == pytest.approx(100 / 27)
    assert figure.chart.limits is not None
    assert figure.chart.limits[0] == 0
    assert figure.chart.estimates[0].low < means[0] < figure.chart.estimates[0].high


def test_the_axes_reach_to_chance_where_all_methods_are_below_it(run: RunData) -> None:
    low = replace(run, study={**run.study, "chance": {"utd-mhad": 0.97}})
    (groups,) = rankings(low, "utd-mhad")
    chart = ranking(low, "utd-mhad", groups).chart
    assert isinstance(chart, ForestPlot)
    assert chart.limits == (0, 100)


def test_a_ranking_leaves_out_constant_predictors_and_shows_a_single_method_at_each_point() -> None:
    sign = {
        "dataset": "utd-mhad",
        "method": "cosmo",
        "point": {},
        "sign": "one class",
        "done": 3,
        "trials": 3,
        "text": "",
    }
    (groups,) = rankings(make({"utd-mhad": {}}, warnings=[sign]), "utd-mhad")
    assert "cosmo" not in [group.method for group in groups]
    alone = make({"utd-mhad": {}}, methods=["cosmo"])
    assert "background" not in ranking(alone, "utd-mhad", rankings(alone, "utd-mhad")[0]).caption
    one = make({"utd-mhad": {"label_rate": [0.05, 0.1]}}, methods=["cosmo"])
    chart = ranking(one, "utd-mhad", rankings(one, "utd-mhad")[0]).chart
    assert isinstance(chart, ForestPlot)
    assert [estimate.name for estimate in chart.estimates] == ["label rate 5 %", "label rate 10 %"]


def test_two_seeds_are_shown_as_points_without_an_interval() -> None:
    figure = curves(make({"utd-mhad": {"label_rate": [0.05, 0.1]}}, methods=["cmc", "cosmo"], seeds=2), ["utd-mhad"])
    assert figure is not None
    assert isinstance(figure.chart, LineChart)
    (panel,) = figure.chart.panels
    for line in panel.series:
        assert np.isnan(line.low).all()
        assert [np.mean(pair) for pair in line.singles] == pytest.approx(line.y)
    assert "too few for an interval" in figure.caption
    assert any("-spread-0-0-singles" in name for name in ids(page_svg(figure)))


def test_the_points_of_methods_at_the_same_place_are_beside_each_other(report: Document) -> None:
    points = [
        element
        for element in ElementTree.fromstring(page_svg(figures(report)[3])).iter()
        if " at 5 %: " in element.attrib.get("data-tip", "")
    ]
    places = sorted(float(point.attrib["x"]) for point in points)
    assert len(places) == 7
    assert min(np.diff(places)) > 2


def test_confusions_are_drawn_from_white_to_dark_over_all_per_cent() -> None:
    chart = HeatMap(
        ("a", "b"), ("a", "b"), ((90.0, 10.0), (30.0, 70.0)), "predicted", "true", "share (%)", (0.0, 100.0)
    )
    svg = page_svg(Figure("t", chart, "alt", "c"))
    assert "<image" not in svg
    fills = [
        float(int(element.attrib["style"].partition("fill: #")[2][:2], 16))
        for element in ElementTree.fromstring(svg).iter()
        if element.attrib.get("data-tip", "").startswith(("a / ", "b / "))
    ]
    assert fills[1] > fills[2] > fills[3] > fills[0]


def test_a_method_has_the_same_style_everywhere(report: Document) -> None:
    style = styles(list(METHODS))
    assert style == styles(sorted(METHODS, reverse=True))
    for figure in figures(report)[2:7]:
        svg = page_svg(figure)
        assert all(f'class="style-{place}"' in svg and colour(place) in svg for place in style.values())
    many = styles([f"method {i:02}" for i in range(60)])
    assert len({(colour(place), marker(place)) for place in many.values()}) == 60
    assert all(marker(place) in PATHS for place in many.values())


def test_points_have_tips(report: Document) -> None:
    tips = [
        e.attrib["data-tip"]
        for e in ElementTree.fromstring(page_svg(figures(report)[3])).iter()
        if "data-tip" in e.attrib
    ]
    assert len(tips) == 7 * 4
    assert any(re.fullmatch(r"Cosmo at 5 %: 48\.3 ± \d\.\d \(n = 3\)", tip) for tip in tips)


def test_the_alternative_text_has_the_numbers(report: Document) -> None:
    alt = figures(report)[3].alt
    assert "Mean Accuracy on utd-mhad against label rate" in alt
    assert "Cosmo 48.3 % at 5 % to 72.0 % at 20 %" in alt
    assert "Chance is 3.7 %." in alt
    assert ElementTree.fromstring(page_svg(figures(report)[3])).attrib["aria-label"] == alt


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


@pytest.mark.filterwarnings("error")
def test_forty_methods_have_room_for_their_legend() -> None:
    lines = tuple(
        Series(f"a rather long name of method {i}", i, (1.0, 2.0), (1.0, 2.0), (np.nan,) * 2, (np.nan,) * 2, (1, 1))
        for i in range(40)
    )
    drawn = paper_svg(Figure("t", LineChart((Panel("", "x", lines),), "y"), "alt", "c")).decode()
    assert "a rather long name of method 39" in words(drawn)


def test_two_swept_options_give_a_matrix_for_each_method() -> None:
    run = make({"utd-mhad": {"label_rate": [0.05, 0.1], "cosmo.positives": [3, 9, 27]}}, methods=["cmc", "cosmo"])
    drawn = heat_maps(run, "utd-mhad")
    assert [type(figure.chart) for figure in drawn] == [HeatMap, HeatMap]
    chart = drawn[0].chart
    assert isinstance(chart, HeatMap)
    assert (chart.row_names, chart.column_names) == (("5 %", "10 %"), ("3", "9", "27"))
    trials = run.trials.query("method == 'cosmo' and label_rate == 0.1 and `cosmo.positives` == 9")
    assert chart.values[1][1] == pytest.approx(100 * trials["accuracy"].mean())
    assert "highest at 10 % / 27" in drawn[0].alt
    assert heat_maps(make({"utd-mhad": {"label_rate": [0.05, 0.1]}}), "utd-mhad") == ()


def test_a_stage_1_is_shown_once_and_losses_far_apart_have_a_logarithmic_axis() -> None:
    run = make(
        {"utd-mhad": {}},
        methods=["cosmo", "probe:cosmo", "cocoa"],
        seeds=1,
        spoil=lambda t: {"stage1_key": "own" if t["method"] == "cocoa" else "shared"},
    )
    jobs: dict[str, dict[str, Any]] = {"shared": {"loss": [2.0, 1.0]}, "own": {"loss": [2000.0, 900.0]}}
    run = replace(run, pretrained=jobs)
    details = first_point_details(run, "utd-mhad")
    assert details is not None
    assert {method: len(some) for method, some in details.stage1.items()} == {"cosmo": 1, "probe:cosmo": 0, "cocoa": 1}
    (row,) = learning_blocks(run, "utd-mhad")
    assert isinstance(row, Row)
    chart = row.figures[-1].chart
    assert isinstance(chart, LineChart)
    assert (chart.logarithmic, len(chart.panels[0].series)) == (True, 2)
    assert "1000" in paper_svg(row.figures[-1], True).decode()
