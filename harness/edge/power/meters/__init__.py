"""The meters, one file each; `harness.registry` names them."""
