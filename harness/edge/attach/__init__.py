"""Attaching a device: by a process on this machine, over SSH, as a node of a Ray cluster, or by a bundle."""
