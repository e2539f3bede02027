"""Reports: the results of a run as a document that each format renders in its own way.

    RunData → sections.document(run) → Document → formats.files(document, "html" | "pdf" | "latex" | "csv")
    several Runs → overview.overview_document(runs)
    two Runs → run_comparison.compare_runs(first, second)

A report is a pure function of the run, and statistics are pure functions of arrays. Charts are data in the document;
``formats`` draws them on demand.

To add a section, write a function and list it in ``sections.SECTIONS``. To add a format, write a module with a function
``files(document)`` and list it in ``formats.FORMATS``.
"""
