"""What the engine is given: volumes on demand and what is known about them."""

from collections.abc import Callable
from dataclasses import dataclass

from napari_transmedseg.imaging.volume import LabelMap, Volume


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingCase:
    """One case of a cohort: its image, loaded when needed, and its annotation."""

    case_id: str
    load: Callable[[], Volume]
    """Reads the image; called once per run."""
    annotation: LabelMap | None = None
    """Classes and known mask, on the image's geometry; None where nothing is known."""
    domain: str = ""
    """Site or scanner."""
    channels: tuple[str, ...] = ()
    """Names of the image's channels as its volume gives them; empty for a single image."""
