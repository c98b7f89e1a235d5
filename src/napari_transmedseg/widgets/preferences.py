"""What a person set on napari's Preferences page, with defaults where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, cast

from napari_transmedseg.engine.config import Device

PLUGIN = "napari-transmedseg"
CATEGORY = "work"
"""Key of our category in the manifest's `configurations`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preferences:
    """Settings of this machine rather than of a project."""

    device: Device = "auto"
    threads: int = 0
    """CPU threads for training and predicting; 0: all cores but one."""
    overlay_interval_s: float = 0.8
    autosave_interval_s: float = 5.0


class PreferenceWatch:
    """Reads the preferences, and calls back when they change."""

    def __init__(self, on_change: Callable[[Preferences], object]) -> None:
        self._on_change = on_change
        self._settings = _stored()
        if self._settings is not None:
            self._settings.events.connect(self._on_event)

    def value(self) -> Preferences:
        """Preferences as they are now."""
        if self._settings is None:
            return Preferences()
        found = {one.name: getattr(self._settings, one.name, None) for one in fields(Preferences)}
        return Preferences(**{key: cast("Any", v) for key, v in found.items() if v is not None})

    def close(self) -> None:
        """Listen no more."""
        if self._settings is not None:
            self._settings.events.disconnect(self._on_event)
            self._settings = None

    def _on_event(self, event: object = None) -> None:
        self._on_change(self.value())


def _stored() -> Any:
    """Our settings in napari, an evented model; None in a napari that keeps none for plugins."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    try:
        return getattr(get_plugin_settings(PLUGIN), CATEGORY, None)
    except (KeyError, ValueError, OSError):  # switched off, or some plugin's file is damaged
        return None
