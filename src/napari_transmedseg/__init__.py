"""Segment a cohort of volumes from a few annotated slices, in napari or without it."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("napari-transmedseg")
except PackageNotFoundError:  # imported from a source folder that is not installed
    __version__ = "0.1.0"
