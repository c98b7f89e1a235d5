"""From what older versions wrote in `project.json` to what this one reads, one version at a time.

Each step is a pure function on plain JSON values. A version that only added what has a default
needs none. Stored examples of every version are in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Step = Callable[[dict[str, Any]], dict[str, Any]]

STEPS: dict[int, Step] = {}
"""By the version that a step starts from. Up to 4 only fields with defaults were added."""


def migrated(content: dict[str, Any], version: int) -> dict[str, Any]:
    """Description as `version` would have written it; a newer one stays as it is.

    Parameters
    ----------
    content
        With its own `schema_version`, from 1.
    version
        Version to reach.

    Raises
    ------
    ValueError
        If its version never was one.
    """
    found = content["schema_version"]
    if found < 1:
        raise ValueError(f"schema version {found}")
    for start in range(found, version):
        content = STEPS.get(start, dict)(content)
        content = {**content, "schema_version": start + 1}
    return content
