"""Ways to reach a device: a process here, SSH, a node of a Ray cluster, a bundle."""
