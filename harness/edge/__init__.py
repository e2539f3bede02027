"""Measuring on the device itself: energy meters, latency, profile jobs, and ways to attach a device. Imports no Ray."""
