"""What a file must be like before its content is believed: a checkpoint may come from anybody.

`torch.load(weights_only=True)` runs no code; these checks keep it from taking all memory, and
find flipped bits, which PyTorch's reader does not look for.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_transmedseg.engine.plan import TrainingPlan

MOST_BYTES = 16 * 2**30
_MOST_ENTRIES = 100_000
_MOST_CHANNELS = 4096
_MOST_LEVELS = 10
_MOST_CLASSES = 255
_MOST_VOXELS = 2**28
_MOST_IMAGES = 4096

_PARTS: dict[str, tuple[type, ...]] = {
    "plan": (dict,),
    "student": (dict,),
    "teacher": (dict,),
    "model": (dict,),
    "kept": (dict,),
    "graph": (dict, type(None)),
    "optimizer": (dict,),
    "source": (dict,),
    "targets": (list,),
    "scaler": (dict,),
    "bank": (dict, type(None)),
    "counters": (dict,),
}


def check_archive(path: Path) -> None:
    """Refuse what is no archive as PyTorch writes it, whole, uncompressed and of a sane size.

    Raises
    ------
    ValueError
        With the reason, for our own error.
    OSError
        When it cannot be read.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(f"{size / 2**30:.0f} GiB, more than any model")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("compressed content")
        if len(entries) > _MOST_ENTRIES or sum(entry.file_size for entry in entries) > size:
            raise ValueError("more content than file")
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError("a damaged part")


def check_parts(content: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that lacks a part, or has another kind of thing in its place.

    Raises
    ------
    ValueError
    """
    for name, kinds in _PARTS.items():
        if not isinstance(content.get(name), kinds) or (name not in content):
            raise ValueError(f"no {name}")


def check_sizes(plan: TrainingPlan) -> None:
    """Refuse a plan whose network or images no machine could hold.

    Raises
    ------
    ValueError
    """
    space = plan.space
    sides = (*space.size, *space.patch)
    voxels = 1
    for side in space.size:
        voxels *= side
    for what, is_sane in (
        ("classes", 1 <= len(plan.class_names) <= _MOST_CLASSES),
        ("levels", 1 <= len(plan.channels) <= _MOST_LEVELS),
        ("channels", all(1 <= count <= _MOST_CHANNELS for count in plan.channels)),
        ("axes", space.dims in (2, 3)),
        ("voxels", all(side >= 1 for side in sides) and voxels <= _MOST_VOXELS),
        ("batch", 1 <= plan.recipe.batch_size <= _MOST_IMAGES),
        ("clusters", 1 <= plan.graph_clusters <= _MOST_CHANNELS),
    ):
        if not is_sane:
            raise ValueError(f"an absurd number of {what}")
