"""The parts of a report, as blocks of the document model."""
