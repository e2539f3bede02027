"""Reports: what a run found, as a document that each renderer shows in its own way.

    Run → sections.document(run) → Document → formats.files(document, "html" | "pdf" | "latex" | "csv")
    Runs → several.document_of_several(runs); two Runs → compare.comparison(one, two)

A report is a pure function of the run. Statistics are pure functions of arrays; a new section is a function in
``sections.SECTIONS``; a new format is one new file with ``files(document)``, named in ``formats.FORMATS``. Charts are data in
the document and are drawn by ``drawing`` when a format asks for them.
"""
