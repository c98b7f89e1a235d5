"""What file dialogs offer: every format that can be read."""

from napari_transmedseg.imaging.formats import SUFFIXES

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
"""Usual names; DICOM files often have no suffix at all, and are found under all files."""


def _patterns(suffixes: tuple[str, ...]) -> str:
    return " ".join(f"*{suffix}" for suffix in suffixes)


FILE_FILTER = f"Volumes ({_patterns((*SUFFIXES, *DICOM_SUFFIXES))});;All files (*)"
