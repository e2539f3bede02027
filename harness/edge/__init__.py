"""Measurement on a device: energy meters, latency, profile jobs, and how devices are attached. Does not import Ray."""
