"""What a terminal shows: plans, tables, status, progress."""
