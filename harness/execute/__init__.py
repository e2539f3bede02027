"""Executors: what runs a plan's jobs, here (`inline`) or on Ray."""
