"""Documented errors that no test can show, each with the reason."""

from __future__ import annotations

from typing import Final

# reason -> call -> its errors, without "ZX_ERR_"
_REASONS: Final[dict[str, dict[str, str]]] = {}

IMPOSSIBLE: Final[dict[tuple[str, str], str]] = {
    (call, f"ZX_ERR_{name}"): reason
    for reason, calls in _REASONS.items()
    for call, names in calls.items()
    for name in names.split()
}
