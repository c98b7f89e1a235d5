"""Whose hand it is."""

from __future__ import annotations

import getpass


def person() -> str:
    """Name that the ledger notes for what is done by hand."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "person"
