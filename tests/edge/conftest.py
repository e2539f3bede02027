"""Makes the helper modules of this folder, `small` and `trees`, importable from its tests and those below it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
