"""Turns the SVG files that matplotlib writes into elements of an HTML page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from reports.formats.drawing.canvas import INK

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def inline(svg: str, alt: str, tips: Mapping[str, Sequence[str]]) -> str:
    """An SVG file as an ``<svg>`` element that takes its text colour from the page.

    Its ids are unique in the page. Metadata is removed, and so are style sheets, which would apply to the whole page.

    alt: the figure in words. tips: id of a set of points or cells → the tip of each; an empty tip removes the cell.
    """
    root = ElementTree.fromstring(svg)
    prefix = "f" + hashlib.sha256((alt + svg).encode()).hexdigest()[:8]
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        _set_class_and_tips(element, tips)
        for name, value in element.attrib.items():
            element.set(name, _adapted(name, value, prefix))
    for name in ("width", "height"):  # the page sets the size; the view box is kept
        root.attrib.pop(name)
    root.attrib.update({"role": "img", "aria-label": alt, "stroke-linejoin": "round", "stroke-linecap": "butt"})
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _set_class_and_tips(element: ElementTree.Element, tips: Mapping[str, Sequence[str]]) -> None:
    """Set the class ``style-N`` of elements that belong to a method, and the ``data-tip`` of points and cells."""
    name = element.get("id", "")
    if found := re.match(r"style-\d+", name):
        element.set("class", found[0])
    if name not in tips:
        return
    marks = element.findall(f".//{{{SVG}}}g/{{{SVG}}}use") or element.findall(f"{{{SVG}}}path")
    for mark, tip in zip(marks, tips[name], strict=True):
        if tip:
            mark.set("data-tip", tip)
        else:
            element.remove(mark)


def _adapted(name: str, value: str, prefix: str) -> str:
    """The value of an attribute with unique ids, without font families and with the text colour of the page."""
    if name == "id":
        return f"{prefix}-{value}"
    if name == f"{{{XLINK}}}href" and value.startswith("#"):
        return f"#{prefix}-{value[1:]}"
    if name == "data-tip":
        return value
    value = re.sub(r"url\(#", f"url(#{prefix}-", value)
    return re.sub(r"font: ([\d.]+)px [^;]*", r"font-size: \1px", value).replace(INK, "currentColor")
