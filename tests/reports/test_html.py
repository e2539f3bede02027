from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

from made_up import make

from reports.document import Document, Figure, Row, Section, Table
from reports.formats.html import render
from reports.run import RunData
from reports.sections import document

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}"
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Reader(HTMLParser):
    """The tags, attributes and text of a page. Fails if tags are not nested correctly."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_a_page_has_all_sections_and_its_links_have_targets(report: Document) -> None:
    page = Reader(render(report))
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(set(ids)) == len(ids)
    assert {"answer", "data-utd-mhad", "data-usc-had", "failures", "setup", "provenance"} <= set(ids)
    targets = [value for name, value in page.attributes if name.endswith("href")]
    assert targets
    assert all(target.startswith("#") and target[1:] in ids for target in targets)
    for words in (
        "How much do few labels cost",
        "Cosmo is best",
        "RuntimeError: loss is NaN in epoch 3",
        "harness run studies/label_rate.yaml",
        "0.6",
        "3f9a1c0b7d2e4f55",
    ):
        assert words in page.text
    assert page.attributes.count(("role", "img")) == len(
        [block for block in report.blocks if isinstance(block, Figure)]
    )


def digest_of(page: str) -> str:
    script = page.partition("<script>")[2].partition("</script>")[0]
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def test_a_page_fetches_nothing_and_runs_only_its_own_script(report: Document) -> None:
    text = render(report)
    page = Reader(text)
    assert page.tags["script"] == 1
    assert f"script-src 'sha256-{digest_of(text)}'" in text
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert not any(name in ("src", "srcset") or name.startswith("on") for name, _ in page.attributes)
    assert not re.search(r"@import|url\((?!#)", text)
    outside = set(re.findall(r"https?://[^\s\"'<>]+", text))
    assert outside <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }  # names of namespaces, which nothing fetches
    assert "default-src 'none'" in text


def test_the_same_input_gives_the_same_bytes_and_a_date_only_on_request(report: Document, run: RunData) -> None:
    assert render(document(run)) == render(report)
    assert "2031-05-04" in render(replace(report, generated="2031-05-04"))
    assert not re.search(r"20\d\d-\d\d-\d\d", render(report))


def test_hostile_text_is_text_everywhere() -> None:
    data = HOSTILE + " data"
    run = make(
        {data: {HOSTILE: [1, 2]}, HOSTILE: {HOSTILE: [HOSTILE, "b"]}},
        methods=["cosmo", HOSTILE],
        seeds=2,
        spoil=lambda t: (
            {"status": "failed", "error": HOSTILE, "key": HOSTILE} if t["seed"] == 1 and t["method"] == HOSTILE else {}
        ),
        titles={"cosmo": HOSTILE},
        **dict.fromkeys(("study", "title", "question", "select", "command"), HOSTILE),
        versions={HOSTILE: HOSTILE},
        options=[{"path": HOSTILE, "value": [HOSTILE], "source": HOSTILE, "holds_for": [HOSTILE] * 5}],
        data={data: {"fingerprint": HOSTILE, "n_samples": 1, "n_classes": 2, "subjects": {"train": [HOSTILE]}}},
    )
    text = render(document(run))
    page = Reader(text)
    assert (page.tags["script"], page.tags["img"]) == (1, 0)  # our own script, with its digest in the page's policy
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "{{ 7 * 7 }}" in page.text
    assert HOSTILE in page.text


def test_a_minimal_run_has_a_report() -> None:
    """No failures, no sweep, no title, and nothing known about the data."""
    run = make(
        {"utd-mhad": {}}, methods=["cosmo"], seeds=1, title="", question="", options=[], versions={}, data={}, chance={}
    )
    report = document(run)
    assert report.title == "label_rate"
    assert [section.anchor for section in report.sections] == [
        "answer",
        "data-utd-mhad",
        "diagnostics",
        "cost",
        "setup",
        "trials",
        "provenance",
    ]
    assert "All options have their default values." in Reader(render(report)).text


def test_leakage_is_noted_at_each_table_and_figure_and_pending_trials_at_the_top() -> None:
    run = make(
        {"utd-mhad": {"label_rate": [0.05, 0.1]}},
        methods=["cmc", "cosmo"],
        select="oracle",
        spoil=lambda t: {"status": "pending"} if t["seed"] == 2 else {},
    )
    report = document(run)
    assert [note.level for note in report.notes] == ["error", "warning"]
    text = Reader(render(report)).text
    assert text.count("Leakage: ") == 1 + 1 + 2 + 2 + 2 + 1  # the top, the ranking, curves, tables, comparisons, trials
    assert text.count("Not finished: 4 of the run's 12 trials") == 1


def test_charts_side_by_side_have_one_legend(run: RunData) -> None:
    report = document(run)
    row = next(block for section in report.sections for block in section.blocks if section.title == "utd-mhad")
    only = replace(report, sections=(Section("a", "a", (row,)),))
    assert isinstance(row, Row)
    assert len(row.figures) == 2
    assert render(only).count('class="toggle"') == len(run.methods)


def test_failures_with_the_same_error_are_grouped() -> None:
    run = make(
        {"utd-mhad": {}},
        methods=["cmc", "cosmo"],
        spoil=lambda t: {"status": "failed", "error": "same" if t["method"] == "cmc" else None},
    )
    section = next(section for section in document(run).sections if section.anchor == "failures")
    texts = [getattr(block, "text", "") for block in section.blocks]
    assert texts[0].startswith("3 trials: CMC (utd-mhad, seed 0, key 00000000); CMC")
    assert texts[1::2] == ["same", "No error was recorded."]


def test_shared_jobs_are_counted_once(run: RunData) -> None:
    text = Reader(render(Document("t", "", (), document_section(run)))).text
    assert "6.0 min in stage 1 (3 jobs) and 1.4 h in stage 2 (167 jobs)" in text


def document_section(run: RunData) -> tuple[Section, ...]:
    from reports.sections import cost_section

    return tuple(cost_section(run))


def test_documents_are_consistent(report: Document) -> None:
    for section in report.sections:
        for block in section.blocks:
            assert block.kind in {"prose", "note", "code", "table", "figure", "row"}
            if isinstance(block, Table):
                assert block.rows
            if isinstance(block, Figure):
                assert block.alt


def test_importing_reports_is_quick() -> None:
    code = (
        "import sys, reports.sections, reports.formats.html, reports.formats.terminal, reports.formats; "
        "print(*({'matplotlib', 'seaborn', 'typst', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip() == ""


def test_the_overview_is_left_out_if_only_one_data_set_can_be_drawn() -> None:
    run = make({"utd-mhad": {"label_rate": [0.05, 0.1]}, "usc-had": {}}, methods=["cmc", "cosmo"])
    answer = document(run).sections[0]
    assert not any(isinstance(block, Figure) for block in answer.blocks)
