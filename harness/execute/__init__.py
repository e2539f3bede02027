"""Executors run the jobs of a plan, in this process (`inline`) or on Ray."""
