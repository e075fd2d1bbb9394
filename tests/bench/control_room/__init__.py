"""The bench of the control room; what it shares with the page tests imports the function's own modules."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FUNCTION = ROOT / "functions" / "control_room"
sys.path.insert(0, str(FUNCTION))
