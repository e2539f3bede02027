"""Measures how long a report of many trials takes in each format, how large it is, and how long the page takes to open.

python benchmarks/report.py [TRIALS]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "reports"))

from collections.abc import Callable
from typing import TypeVar

from made_up_ledger import write_ledger

from harness.results.gather import gather, write_document
from reports.formats import FORMATS
from reports.sections import document

T = TypeVar("T")


def main(trials: int) -> None:
    methods = ("single-modal:acc", "single-modal:gyro", "deepsense", "attnsense", "cpc", "cmc", "cosmo", "ntxent")
    seeds = max(1, trials // (len(methods) * 10))
    with tempfile.TemporaryDirectory() as folder:
        rates = [0.01 * i for i in range(1, 11)]
        ledger = write_ledger(
            Path(folder) / "run", {"label_rate": rates}, methods, seeds, epochs=range(5, 301, 5), fitted=False
        )
        run, spent = timed(lambda: gather(ledger))
        records, warnings = len(list((ledger.folder / "records").iterdir())), len(run.study["warnings"])
        print(f"{len(run.trials)} trials, {records} records, {warnings} warnings")
        print(f"read the ledger   {spent}")
        made, spent = timed(lambda: document(run))
        print(f"make the document {spent}")
        for form in FORMATS:
            (path,), spent = timed(lambda form=form: write_document(made, [form], ledger.folder))
            whole = path.parent if path.parent != ledger.folder else path
            size = sum(file.stat().st_size for file in whole.rglob("*")) if whole.is_dir() else whole.stat().st_size
            print(f"{form:18}{spent}, {size / 1e6:.2f} MB")
        open_page(ledger.folder / "report.html")


def open_page(path: Path) -> None:
    """Print the time that Chromium takes to open a page, up to the end of the load event: the median of five."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        times = []
        for _ in range(5):
            page = browser.new_page()
            page.goto(path.as_uri(), wait_until="load")
            page.wait_for_function("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
            times.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"))
            page.close()
        browser.close()
    print(f"open the page     {sorted(times)[2]:6.2f} s")


def timed(work: Callable[[], T]) -> tuple[T, str]:
    """Do some work. Returns its result, and wall and CPU time as text; the two differ on a busy machine."""
    wall, cpu = perf_counter(), process_time()
    found = work()
    return found, f"{perf_counter() - wall:6.2f} s ({process_time() - cpu:.2f} s of CPU)"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
