"""The meters, one file each. `harness.registry` lists them."""
