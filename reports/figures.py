"""The figures of a report: SVG made to stand in a page, and the same in words.

The same run gives the same bytes. Lines of text and axes take the colour of the page around them (``currentColor``), so that
one picture suits light and dark. seaborn and matplotlib are imported when the first figure is drawn.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from reports import statistics
from reports.document import Figure
from reports.run import ACCURACY, METRICS, Group, Metric, Run, is_number
from reports.tables import measure
from reports.wording import clean, count, listing, option_title, percent, status_notes, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

# Of seaborn's colour-blind palette those that can be seen on white and on black alike. Their number and that of the markers
# have no common divisor, so a pair comes again only after 63 methods.
COLOURS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#949494", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
CHANCE = "\0chance"  # a name that no method has
INK = "#010203"  # stands for the colour of the page's text until the SVG is done
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def looks(methods: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Each method's (colour, marker), given out in the order of their names, so that a method looks the same in every figure."""
    pairs = islice(zip(cycle(COLOURS), cycle(MARKERS), strict=False), len(methods))
    return dict(zip(sorted(methods), pairs, strict=True))


def numeric_option(run: Run, dataset: str) -> str | None:
    """The option to draw a data set's figures against: the only one swept, if it has two values or more and all are numbers."""
    options = run.swept(dataset)
    values = [point.values[0] for point in run.points(dataset)] if len(options) == 1 else []
    return options[0] if len(values) > 1 and all(is_number(value) for value in values) else None


def curves(run: Run, datasets: Sequence[str], metric: Metric = ACCURACY) -> Figure | None:
    """A metric against the swept option: a line for each method with the band of its 95 % t-interval, a panel for each data set.

    Data sets without a numeric sweep or without any figure are left out; None if none is left.
    """
    shown = [dataset for dataset in datasets if numeric_option(run, dataset) and _points(run, dataset, metric)["y"]]
    if not shown:
        return None
    import matplotlib.style
    import seaborn
    from matplotlib.figure import Figure as Drawing

    # Style and fonts are set for this drawing only, from matplotlib's own defaults: a user's matplotlibrc changes no report.
    with matplotlib.style.context(["default", seaborn.axes_style("ticks"), _parameters()]):
        drawing = Drawing(figsize=(4.6 * len(shown) + 0.4, 3.9), layout="constrained")
        axes = drawing.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        drawn = [_panel(panel, run, dataset, metric) for dataset, panel in zip(shown, axes, strict=True)]
        for dataset, panel in zip(shown, axes, strict=True):
            if len(shown) > 1:
                panel.set_title(clean(dataset))
        axes[0].set_ylim(0, max(_top(run, dataset) for dataset in shown))
        axes[0].set_ylabel(f"{metric.title} (%)")
        _legend(drawing, run, drawn)
        alt = " ".join(_alt(run, dataset, metric) for dataset in shown)
        svg = _svg(drawing, alt)
    return Figure(svg, alt, _caption(run, shown, metric), len(shown), status_notes(run, shown[0] if len(shown) == 1 else None))


def _parameters() -> dict[str, Any]:
    ink = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "xtick.labelcolor", "ytick.labelcolor")
    return {
        **dict.fromkeys(ink, INK),
        "axes.titlesize": 10,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same widths on every machine
        "font.size": 10,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "svg.fonttype": "none",  # words stay words: to be found, read aloud and set in the page's own type
        "svg.hashsalt": "reports",
        "text.parse_math": False,  # a name with a $ is a name
    }


def _points(run: Run, dataset: str, metric: Metric) -> dict[str, list[Any]]:
    """The figures of a data set as long columns: x the swept value, y in per cent, and the method."""
    columns: dict[str, list[Any]] = {"x": [], "y": [], "method": []}
    for group in run.groups(dataset).values():
        for value in group.values(metric):
            columns["x"].append(_on_axis(group))
            columns["y"].append(100 * value)
            columns["method"].append(group.method)
    return columns


def _on_axis(group: Group) -> float:
    return float(group.point.values[0])


def _panel(panel: Axes, run: Run, dataset: str, metric: Metric) -> dict[str, Any]:
    """One data set's lines, its chance level and its axes. Returns what the legend shows, by method (and `CHANCE`)."""
    import seaborn

    points, look, option = _points(run, dataset, metric), looks(run.methods), numeric_option(run, dataset) or ""
    methods = [method for method in run.methods if method in points["method"]]
    seaborn.lineplot(
        x=points["x"],
        y=points["y"],
        hue=points["method"],
        style=points["method"],
        hue_order=methods,
        style_order=methods,
        palette={method: look[method][0] for method in methods},
        markers={method: look[method][1] for method in methods},
        dashes=False,
        errorbar=lambda values: statistics.t_interval(values),
        err_kws={"alpha": 0.12, "linewidth": 0},
        markersize=6.5,
        markeredgewidth=0,
        linewidth=1.6,
        legend=False,
        ax=panel,
    )
    # Empty lines for the legend: with seaborn's own, names would be titles, and one with a leading _ would be left out.
    drawn = {m: panel.plot([], [], color=look[m][0], marker=look[m][1], markeredgewidth=0)[0] for m in methods}
    chance = run.chance(dataset)
    if chance is not None and metric is ACCURACY:
        drawn[CHANCE] = panel.axhline(100 * chance, color=INK, linestyle=":", linewidth=1.2)
    ticks = sorted({float(point.values[0]) for point in run.points(dataset)})
    if ticks[0] > 0 and ticks[-1] / ticks[0] >= 20:
        panel.set_xscale("log")
        panel.minorticks_off()
    panel.set_xticks(ticks, [value_text(tick, option) for tick in ticks])
    panel.set_xlabel(option_title(option))
    return drawn


def _top(run: Run, dataset: str) -> float:
    """The upper end of the axis, in per cent: the next ten above all means and intervals of all metrics, at most 100."""
    cells = [measure(group, metric) for group in run.groups(dataset).values() for metric in METRICS]
    highest = max(cell.mean + (cell.half_width or 0) for cell in cells if cell.mean is not None)
    return min(100.0, 10 * (int(10 * highest) + 1))


def _legend(drawing: Drawing, run: Run, drawn: Sequence[Mapping[str, Any]]) -> None:
    """One legend below all panels, chance last; a method without figures on one data set is still named by another."""
    handles = {name: handle for panel in drawn for name, handle in panel.items()}
    names = [name for name in (*run.methods, CHANCE) if name in handles]
    labels = ["Chance" if name == CHANCE else clean(run.title(name)) for name in names]
    columns = max(1, int(drawing.get_figwidth() * 13 / (max(map(len, labels)) + 7)))  # about 13 letters an inch, 7 for handle and gap
    legend = drawing.legend([handles[name] for name in names], labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(label)


def _caption(run: Run, datasets: Sequence[str], metric: Metric) -> str:
    groups = [group for dataset in datasets for group in run.groups(dataset).values()]
    most = max(len(group.values(metric)) for group in groups)
    upto = "" if all(len(group.values(metric)) == most for group in groups) else "up to "
    options = listing(list(dict.fromkeys(option_title(numeric_option(run, dataset) or "") for dataset in datasets)))
    lines = f"lines are means over {upto}{count(most, 'seed')}, bands are 95 % t-intervals" if most > 1 else "one seed, so no interval"
    return f"{metric.title} against {options}: {lines}."


def _alt(run: Run, dataset: str, metric: Metric) -> str:
    """The figure in words: each method from the first value of the sweep to the last."""
    groups, option = run.groups(dataset), numeric_option(run, dataset) or ""
    parts = []
    for method in run.methods:
        here = sorted((g for (name, _), g in groups.items() if name == method and g.values(metric)), key=_on_axis)
        said = [f"{percent(float(statistics.mean(g.values(metric))))} % at {value_text(g.point.values[0], option)}" for g in here]
        ends = said if len(said) < 2 else [said[0], said[-1]]
        parts.append(f"{clean(run.title(method))} {'no figures' if not ends else ' to '.join(ends)}")
    chance = run.chance(dataset)
    level = f" Chance is {percent(chance)} %." if chance is not None and metric is ACCURACY else ""
    return f"Mean {metric.title} on {clean(dataset)} against {option_title(option)}: {'; '.join(parts)}.{level}"


def _svg(drawing: Drawing, alt: str) -> str:
    """A drawing as one <svg> element that can stand beside others in a page."""
    buffer = io.StringIO()
    drawing.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return inline(buffer.getvalue(), alt)


def inline(svg: str, alt: str) -> str:
    """matplotlib's SVG file as an element: ids made its own, no metadata, no rule that reaches the page, the page's text colour."""
    root = ElementTree.fromstring(svg)
    unique = "f" + hashlib.sha256((alt + svg).encode()).hexdigest()[:8]
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for name, value in element.attrib.items():
            element.set(name, _own(name, value, unique))
    root.attrib.pop("width")  # the view box stays: the page sets the size
    root.attrib.pop("height")
    attributes: Mapping[str, str] = {"role": "img", "aria-label": alt, "stroke-linejoin": "round", "stroke-linecap": "butt"}
    root.attrib.update(attributes)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _own(name: str, value: str, unique: str) -> str:
    """An attribute's value, with ids made unique to the picture and its ink the page's."""
    if name == "id":
        return f"{unique}-{value}"
    if name == f"{{{XLINK}}}href" and value.startswith("#"):
        return f"#{unique}-{value[1:]}"
    value = re.sub(r"url\(#", f"url(#{unique}-", value)
    return re.sub(r"font: ([\d.]+)px [^;]*", r"font-size: \1px", value).replace(INK, "currentColor")


def all_curves(run: Run, dataset: str) -> tuple[Figure, ...]:
    """Every metric's figure of one data set."""
    return tuple(figure for metric in METRICS if (figure := curves(run, [dataset], metric)))
