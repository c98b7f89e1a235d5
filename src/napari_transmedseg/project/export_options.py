"""What a person decides about an export: the form, the command line and Python read this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from napari_transmedseg.errors import ConfigError

Format = Literal["nii.gz", "nii", "nrrd", "seg.nrrd", "dicom-seg"]
Cleanup = Literal["none", "largest", "holes", "largest-holes"]
FORMATS: tuple[Format, ...] = get_args(Format)
CLEANUPS: tuple[Cleanup, ...] = get_args(Cleanup)

FORMAT_WORDS: Mapping[Format, str] = MappingProxyType(
    {
        "nii.gz": "NIfTI, compressed (.nii.gz)",
        "nii": "NIfTI (.nii)",
        "nrrd": "NRRD (.nrrd)",
        "seg.nrrd": "3D Slicer segmentation (.seg.nrrd)",
        "dicom-seg": "DICOM SEG (cases of DICOM series)",
    }
)
"""What each format is called on screen."""
CLEANUP_WORDS: Mapping[Cleanup, str] = MappingProxyType(
    {
        "none": "as predicted",
        "largest": "largest piece of each class",
        "holes": "fill holes",
        "largest-holes": "largest piece of each class, and fill holes",
    }
)
"""What each cleaning is called on screen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions:
    """Which masks are written, and as what.

    Raises
    ------
    ConfigError
        If there is no such format or cleaning.
    """

    cases: tuple[str, ...] = ()
    """Ids of the cases; empty: all."""
    reviewed_only: bool = False
    """Only voxels that a person vouches for carry classes, and `<case>.known.nii.gz` says which
    these are; cases without any are left out."""
    run_id: str | None = None
    """Run whose predictions are used; None: for each case the latest that predicted it."""
    file_format: Format = "nii.gz"
    """File format of the masks."""
    per_class: bool = False
    """A file of 0 and 1 for each class instead of one with all."""
    probabilities: bool = False
    """Also the probability of each class and of background, float32, by the run's model."""
    cleanup: Cleanup = "none"
    """What is done to predicted voxels: keep the largest piece of each class, fill holes, both.
    What a person annotated is never changed."""

    def __post_init__(self) -> None:
        if self.file_format not in FORMATS:
            raise ConfigError(
                f"Expected a format of {', '.join(FORMATS)}, found '{self.file_format}'; choose "
                "one."
            )
        if self.cleanup not in CLEANUPS:
            raise ConfigError(
                f"Expected a cleaning of {', '.join(CLEANUPS)}, found '{self.cleanup}'; choose one."
            )


EVERYTHING = ExportOptions()
"""All cases, people's labels and predictions, as they are."""
