"""Which files are images, told by their names, and what their cases are called."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from napari_transmedseg.errors import ImageReadError

NIFTI_SUFFIXES = (
    ".nii.gz", ".nii", ".hdr", ".img", ".hdr.gz", ".img.gz", ".mgz", ".mgh"
)  # fmt: skip
"""Read by nibabel: NIfTI-1 and -2, Analyze, FreeSurfer."""
NRRD_SUFFIXES = (".nrrd", ".nhdr")
META_SUFFIXES = (".mha", ".mhd")
SUFFIXES = NIFTI_SUFFIXES + NRRD_SUFFIXES + META_SUFFIXES
"""What can be read besides DICOM, lower case."""
COMMON_SUFFIXES = ", ".join((".nii.gz", ".nii", *NRRD_SUFFIXES, *META_SUFFIXES, ".mgz"))


def is_supported(path: str | os.PathLike[str]) -> bool:
    """Whether the suffix is one of a readable format; the file is not opened."""
    return Path(path).name.lower().endswith(SUFFIXES)


def case_id_of(path: str | os.PathLike[str]) -> str:
    """File name without its image suffix: `b/patient002_frame01.nii.gz` → `patient002_frame01`."""
    name = Path(path).name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return Path(name).stem


def find_images(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """List the images among files and, searched to the bottom, folders.

    Hidden files and folders are skipped, and a pair of .hdr and .img counts once.

    Returns
    -------
    list of Path
        Sorted, each once.

    Raises
    ------
    ImageReadError
        If a path does not exist, or a named file is of no readable format.
    """
    found: set[Path] = set()
    for given in paths:
        path = Path(given)
        if path.is_dir():
            found.update(_images_below(path))
        elif not path.exists():
            raise ImageReadError(
                f"Expected an image or a folder at {path}, found nothing; check the path."
            )
        elif not is_supported(path):
            raise ImageReadError(
                f"Expected an image ({COMMON_SUFFIXES}), found {path}; convert it to one of these."
            )
        else:
            found.add(path)
    return sorted(found)


def _images_below(folder: Path) -> Iterable[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = {name.lower() for name in files}
        for name in files:
            lower = name.lower()
            second = lower.endswith((".img", ".img.gz")) and lower.replace(".img", ".hdr") in names
            if not name.startswith(".") and is_supported(name) and not second:
                yield Path(root) / name
