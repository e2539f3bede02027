"""YAML files that users write: their limits, the location of every key, and what is wrong with their values."""
