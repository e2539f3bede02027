"""Reports: the results of a run as a document, which each format renders in its own way.

    RunData → sections.document(run) → Document → formats.files(document, "html" | "pdf" | "latex" | "csv")
    several Runs → overview.overview_document(runs)
    two Runs → run_comparison.compare_runs(first, second)

A report is a pure function of the run, and statistics are pure functions of arrays. A new section is a function listed in
``sections.SECTIONS``. A new format is a file with ``files(document)``, listed in ``formats.FORMATS``. Charts are data in the
document; ``formats`` draws them when asked to.
"""
