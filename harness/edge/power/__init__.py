"""Energy measurement: meters, the process that samples them, and the energy of a window of time."""
