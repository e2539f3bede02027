"""Energy: meters, the process that samples them, the energy of a window of time."""
