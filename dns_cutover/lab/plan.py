"""Where the demo's plan is: in `plans/` of a checkout, or beside the package once it is installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_CANDIDATES = (_PACKAGE.parent / "plans" / "mail-to-newmail.yaml", _PACKAGE / "plans" / "mail-to-newmail.yaml")
DEMO_PLAN = next((p for p in _CANDIDATES if p.exists()), _CANDIDATES[0])
