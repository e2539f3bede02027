"""Makes docs/pictures/ and the terminal session in docs/start.md from the quickstart.

    python docs/pictures.py [--run RUN] [--look FOLDER]

Run it when the quickstart's results or the look of reports have changed. RUN is a finished run of the quickstart;
without it, the study is run first. With FOLDER, it also writes whole pages, light, dark and 390 pixels wide, and the
pages of the PDF there, to be looked at. It needs the extra ``dev`` and Chromium.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.keys import content_key
from harness.plan import make_plan
from harness.study import Study, read_study

DOCS = Path(__file__).parent
STUDY = DOCS.parent / "studies" / "quickstart.yaml"
SESSION = re.compile(r"(<!-- session of )\w+( -->\n```text\n).*?(^```$)", re.DOTALL | re.MULTILINE)
LEFT_OUT = ("time: ", "all ")  # lines about this machine, and about a run that was finished before
TERMINAL = {"COLUMNS": "100", "NO_COLOR": "1"}
VIEWS = {"light": 1280, "dark": 1280, "narrow": 390}  # widths in pixels
HEIGHT = 1000  # of the picture in the documentation, in pixels
COLOURS = 64  # of that picture, so that it is small


def trials_key() -> str:
    """The hash of the keys of the quickstart's trials, which changes with everything that can change their results."""
    study = read_study(STUDY)
    assert isinstance(study, Study)
    return content_key(sorted(str(trial.key) for trial in make_plan(study, None).trials))


def command(run: Path, *options: str) -> str:
    """What a command of the quickstart prints, without its progress."""
    arguments = [sys.executable, "-m", "harness", "run", str(STUDY), "--inline", "--out", str(run), *options]
    done = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **TERMINAL})
    return done.stdout.replace(str(run), "runs/quickstart")


def write_session(run: Path) -> None:
    """Replace the terminal session in docs/start.md. The dry run is that of a new folder."""
    with TemporaryDirectory() as folder:
        planned = command(Path(folder) / "run", "--dry-run")
    session = f"$ harness run quickstart --dry-run\n{planned}\n$ harness run quickstart\n{command(run)}"
    session = "".join(f"{line.rstrip()}\n" for line in session.splitlines() if not line.startswith(LEFT_OUT))
    page, key = DOCS / "start.md", trials_key()
    text, count = SESSION.subn(lambda old: old[1] + key + old[2] + session + old[3], page.read_text(encoding="utf-8"))
    assert count == 1, "docs/start.md has no place for the session"
    page.write_text(text, encoding="utf-8")


def write_pictures(report: Path, folder: Path, whole: bool) -> None:
    """Write a picture of the top of a report, or of all of it at each of the widths and with each background."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for view in VIEWS if whole else ("light",):
            page = browser.new_page(
                viewport={"width": VIEWS[view], "height": HEIGHT}, color_scheme="dark" if view == "dark" else "light"
            )
            page.goto(report.as_uri())
            page.add_style_tag(content="* { content-visibility: visible !important }")  # also below the window
            page.screenshot(path=folder / f"report-{view}.png" if whole else folder / "report.png", full_page=whole)
        browser.close()


def reduce_colours(picture: Path) -> None:
    """Make a picture small."""
    from PIL import Image

    with Image.open(picture) as image:
        image.convert("RGB").quantize(COLOURS).save(picture, optimize=True)


def write_pages(report: Path, folder: Path) -> None:
    """Write each page of a PDF as a picture."""
    import pypdfium2

    for number, page in enumerate(pypdfium2.PdfDocument(report), start=1):
        page.render(scale=1.3).to_pil().save(folder / f"page-{number}.png")


def main(arguments: Any) -> None:
    from harness import open_run

    with TemporaryDirectory() as temporary:
        run = (arguments.run or Path(temporary) / "run").absolute()
        command(run)  # so that the session below is that of a finished run, without its progress
        write_session(run)
        html, pdf = open_run(run).report("html", "pdf", folder=Path(temporary) / "report")
        pictures = DOCS / "pictures"
        pictures.mkdir(exist_ok=True)
        write_pictures(html, pictures, whole=False)
        reduce_colours(pictures / "report.png")
        if arguments.look:
            arguments.look.mkdir(parents=True, exist_ok=True)
            write_pictures(html, arguments.look, whole=True)
            write_pages(pdf, arguments.look)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a finished run of the quickstart")
    parser.add_argument("--look", type=Path, metavar="FOLDER", help="where to write whole pages")
    main(parser.parse_args())
