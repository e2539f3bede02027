"""Experiment trackers, to which a run can also be logged: one file each, behind `harness.trackers.tracker.Tracker`.

A tracker is a copy for people who keep their results there. Nothing is ever read back from one, apart from which jobs
it has already, so a run has the same results with it and without it.
"""
