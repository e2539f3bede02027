"""Import of a user's files into the form that ``arrays:NAME`` reads: one memory-mapped array per modality."""
