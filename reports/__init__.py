"""Reports: what a run found, as a document that each renderer shows in its own way.

    Run → sections.document(run) → Document → html.render(document), terminal.show(run), …

A report is a pure function of the run. Statistics are pure functions of arrays; a new section is a function in
``sections.SECTIONS``; a new format is one new file that walks the document.
"""
