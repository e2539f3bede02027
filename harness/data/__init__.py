"""Data sets: recordings in memory, their splits by subject, the draw of few labels. One file a data set."""
