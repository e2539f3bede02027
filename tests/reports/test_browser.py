"""The HTML page in a browser, Debian's Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from made_up_ledger import CLASSES, write_ledger
from playwright.sync_api import Browser, Page, sync_playwright

from harness.results.gather import write_reports

HOSTILE = "<script>document.title = 'run'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if not program:
        assert not os.environ.get("CI"), "CI must have chromium: see .ci/run"
        pytest.skip("no chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a run with every kind of section: curves, comparisons, classes, learning, modalities, a failure."""
    ledger = write_ledger(
        tmp_path_factory.mktemp("ledger"),
        seeds=3,
        fate=lambda t: "failed" if (t["method"], t["seed"], t["label_rate"]) == ("deepsense", 1, 0.1) else "done",
        classes=[*CLASSES[:4], HOSTILE],
        titles={"deepsense": HOSTILE, "cmc": "CMC", "cosmo": "Cosmo"},
    )
    return write_reports([ledger])[0].as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The opened page. Fails if it requests anything else or writes to the console."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    requests: list[str] = []
    messages: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(address)
    yield page
    assert requests == [address]
    assert messages == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = Axe().run(page).response["violations"]
    serious = [(f["id"], f["nodes"][0]["html"][:200]) for f in found if f["impact"] in ("serious", "critical")]
    assert serious == []


@pytest.mark.parametrize("width", [360, 390, 1280, 2000])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_names_are_shown_and_not_run(page: Page) -> None:
    assert page.title() == "A made-up run"
    assert HOSTILE in page.inner_text("main")
    assert page.locator("main img").count() == 0


def test_a_table_is_sorted_by_a_click_and_by_the_keyboard(page: Page) -> None:
    table = page.locator("#trials ~ figure table")
    column = "Array.from(document.querySelectorAll('#trials ~ figure tbody tr'), r => r.cells[5].textContent)"
    head = table.get_by_role("button", name="Accuracy")
    head.click()
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    values = page.evaluate(column)
    assert values[-1] == "–"  # missing values are last in either order
    numbers = [float(value) for value in values[:-1]]
    assert numbers == sorted(numbers)
    head.focus()
    page.keyboard.press("Enter")
    assert [float(value) for value in page.evaluate(column)[:-1]] == sorted(numbers, reverse=True)


def test_a_table_is_filtered(page: Page) -> None:
    page.get_by_label("Filter Every trial").fill("cosmo 10")
    shown = page.locator("#trials ~ figure tbody tr:visible")
    assert shown.count() == 3
    assert all("Cosmo" in text for text in shown.all_inner_texts())


@pytest.mark.parametrize(
    ("form", "start", "part"),
    [
        ("Markdown", "| Method | 5 % | 10 % |\n| --- | --- | --- |", "| Cosmo | "),
        ("LaTeX", "\\begin{tabular}{lrr}\n\\toprule\nMethod & 5 \\% & 10 \\% \\\\", "Cosmo & "),
        ("CSV", "Method,5 %,10 %\n", "Cosmo,"),
    ],
)
def test_a_table_is_copied(page: Page, form: str, start: str, part: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name=f"Copy Accuracy (%) on pretend, by label rate as {form}").click()
    page.get_by_text(f"Table as {form} copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(start)
    assert part in copied


def test_a_method_is_hidden_in_all_figures(page: Page) -> None:
    buttons = page.locator("button.toggle", has_text="Cosmo")
    style = buttons.first.get_attribute("data-style")
    line = page.locator(f".LineChart .style-{style}")
    assert buttons.count() > 1
    assert line.first.is_visible()
    buttons.first.click()
    assert {button.get_attribute("aria-pressed") for button in buttons.all()} == {"false"}
    assert not any(part.is_visible() for part in line.all())
    buttons.last.click()
    assert line.first.is_visible()


def test_values_are_shown_under_the_pointer(page: Page) -> None:
    point = page.locator("figure.LineChart [data-tip^='Cosmo at 10 %']").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator(".tip")
    tip.wait_for()
    assert tip.inner_text() == point.get_attribute("data-tip")
    page.mouse.move(2, 2)
    tip.wait_for(state="hidden")


def test_figures_have_a_description_and_a_table(page: Page) -> None:
    figure = page.locator("figure.LineChart").first
    assert "Cosmo" in (figure.locator("svg[role=img]").get_attribute("aria-label") or "")
    figure.locator("summary").click()
    assert figure.get_by_role("columnheader", name="Cosmo").is_visible()


def test_every_link_of_the_contents_points_to_its_section(page: Page) -> None:
    for link in page.locator("nav a").all():
        target = link.get_attribute("href") or ""
        assert page.locator(f"h2{target}").count() == 1


def test_the_page_works_without_script(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.get_by_role("button", name="Cosmo").first.is_disabled()
    assert "Cosmo" in page.inner_text("section > figure.table >> nth=0")
    context.close()


def test_the_page_of_two_thousand_trials_is_small(tmp_path: Path) -> None:
    ledger = write_ledger(
        tmp_path, {"label_rate": [0.01 * i for i in range(1, 11)]}, seeds=67, methods=("deepsense", "cmc", "cosmo")
    )
    path = write_reports([ledger])[0]
    assert len(ledger.plan.trials) == 2010
    assert path.stat().st_size < 3_000_000
