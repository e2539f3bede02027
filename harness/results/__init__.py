"""Results: typed records, the tidy table, what artefacts hold, what the reports get."""
