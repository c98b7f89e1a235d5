"""What label maps are called after their images."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from napari_transmedseg.errors import DataSetError

LABEL_SUFFIXES = (
    "_seg", "_gt", "_label", "_labels", "_mask", "_lab", "_segmentation", "-label", "-seg",
    "_seg-manual", "-manual", "_manual", ".seg", "_pred", "_annotation",
)  # fmt: skip
"""What people append to the name of an image to name its label map."""


def without_suffixes(stem: str) -> list[str]:
    """Names of images that a label map of this name may belong to, the longest first."""
    lower = stem.casefold()
    fitting = (suffix for suffix in LABEL_SUFFIXES if lower.endswith(suffix))
    return [stem[: -len(suffix)] for suffix in sorted(fitting, key=len)]


def pair_by_name(
    images: Collection[str], labels: Mapping[str, Path]
) -> tuple[dict[str, Path], list[str]]:
    """Label map of each image: of the same name, else of its name with a usual suffix.

    Returns
    -------
    tuple
        Label maps by image, and the names of those without an image.

    Raises
    ------
    DataSetError
        If two label maps claim one image by their suffixes.
    """
    paired = {name: labels[name] for name in images if name in labels}
    exact = set(paired)
    strays = []
    for name, path in sorted(labels.items()):
        if name in exact:
            continue
        image = next((short for short in without_suffixes(name) if short in images), None)
        if image is None:
            strays.append(name)
        elif image not in paired:
            paired[image] = path
        elif image not in exact:
            raise DataSetError(
                f"Expected one label map of '{image}', found {paired[image].name} and {path.name}; "
                "move one of them away."
            )
    return paired, strays
