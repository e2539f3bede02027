"""Data sets, one file each: recordings in memory, splits by subject, and the drawing of labelled samples."""
