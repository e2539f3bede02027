"""The `harness` command, also as `python -m harness`."""

import sys

from harness import registry
from harness.errors import InputError


def main() -> None:
    """Run the command line, whose imports need the companions of the harness."""
    try:
        registry.require_companions()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    try:
        from harness.cli import entry
    except KeyboardInterrupt:  # Ctrl-C while modules are being imported; `entry` handles all others
        sys.exit(130)
    entry()


if __name__ == "__main__":
    main()
