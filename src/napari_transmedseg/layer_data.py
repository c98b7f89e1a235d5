"""Volumes and label maps as napari layer data, and back.

Arrays are in display order (I, P, L); `scale` and `translate` are in mm. A layer remembers
its geometry in ``layer.metadata["transmedseg"]``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging.dicom import is_segmentation
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import case_id_of, open_image, read_labels, read_volume
from napari_transmedseg.imaging.opened import pick_frame
from napari_transmedseg.imaging.segments import has_segments
from napari_transmedseg.imaging.volume import LabelMap, Volume, class_counts
from napari_transmedseg.imaging.windows import PERCENTILES, overlap, sampled
from napari_transmedseg.project.image_sources import ImageSource, find_sources
from napari_transmedseg.project.import_options import ALL, ImportOptions
from napari_transmedseg.project.schema import default_color

if TYPE_CHECKING:
    from napari.utils.colormaps import DirectLabelColormap

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]

METADATA_KEY = "transmedseg"
AXIS_LABELS = ("I", "P", "L")
MAX_CLASSES_SNIFFED = 32
MAX_FRAMES = 32
"""4-D data of more frames is refused as layers; a project takes it."""
MAX_LAYERS = 20
"""A folder of more images is refused as layers; a project takes it."""
LABEL_WORDS = ("label", "seg", "mask", "_gt", "known", "annotation", "prediction")


def read_layers(paths: Sequence[str | Path]) -> list[LayerData]:
    """Read files and folders: each frame of 4-D data and each DICOM series is a layer.

    Parameters
    ----------
    paths
        Files of any readable format, and folders with DICOM series; files of a series stand for
        the whole series.

    Raises
    ------
    ImageReadError
        When something is no image, is damaged, cannot be shown, or has more frames than
        anybody would look at as layers.
    """
    layers = []
    for source in _sources(paths):
        if is_segmentation(source.path):
            layers.append(read_layer(source.path))
            continue
        image = open_image(source.path, series=source.series)
        if image.num_frames > MAX_FRAMES and source.frame is None:
            pick_frame(image, None, source.path)
        several = image.num_frames > 1 and not has_segments(image.header)
        for frame in range(image.num_frames) if several else [None]:
            layer = read_layer(source.path, frame=frame, series=source.series)
            name = source.case_id if frame is None else f"{source.case_id} frame {frame}"
            layer[1].update(name=name, visible=not frame)
            layers.append(layer)
    return layers


def read_layer(path: str | Path, *, frame: int | None = None, series: str = "") -> LayerData:
    """Read one image as an image layer, or as a labels layer where it holds few classes.

    Raises
    ------
    ImageReadError
        When the file is no image, is damaged, or cannot be shown.
    """
    path = Path(path)
    if is_segmentation(path):
        return labels_layer_data(read_labels(path), name=case_id_of(path))
    try:
        volume = read_volume(path, frame=frame, series=series)
    except ImageReadError:
        if not _named_like_labels(path):  # an all-background mask is a constant image
            raise
        return labels_layer_data(read_labels(path, frame=frame), name=case_id_of(path))
    for note in volume.notes:
        warnings.warn(f"{path.name}: {note}", stacklevel=2)
    if holds_classes(volume.array) and not path.is_dir():
        return labels_layer_data(read_labels(path, frame=frame), name=case_id_of(path))
    return image_layer_data(volume)


def image_layer_data(volume: Volume) -> LayerData:
    """Image layer of a volume: a view of its array, in mm."""
    low, high = contrast_limits(volume.array)
    options = placement(volume.geometry) | {
        "name": volume.name,
        "colormap": "gray",
        "contrast_limits": (low, high),
    }
    return volume.array, options, "image"


def image_layers_data(volume: Volume, case_id: str) -> list[tuple[Any, dict[str, Any]]]:
    """Data and options of an image's layers: first channel `<case>`, others hidden, by name."""
    data, options, _ = image_layer_data(volume)
    layers = [(data, options | {"name": case_id})]
    for name, array in zip(volume.channel_names[1:], volume.further, strict=True):
        channel = Volume(array=array, geometry=volume.geometry, name=f"{case_id} {name}")
        data, options, _ = image_layer_data(channel)
        own = {"channel": name, "own_limits": options["contrast_limits"]}
        options["metadata"][METADATA_KEY].update(own)
        layers.append((data, options | {"visible": False}))
    return layers


def labels_layer_data(
    label_map: LabelMap, *, name: str, colors: Mapping[int, str] | None = None
) -> LayerData:
    """Labels layer of a label map: unsigned integers, in mm, in class colours."""
    array = label_map.array
    names = dict(label_map.names)
    if colors is None:
        values = names or {int(value): "" for value in np.unique(array)}
        colors = {value: default_color(value) for value in values if value > 0}
        colors |= label_map.colors
    options = placement(label_map.geometry, names=names) | {
        "name": name,
        "colormap": class_colormap(colors),
        "opacity": 0.6,
    }
    return array, options, "labels"


def label_map_of_layer_data(data: Any, attributes: Mapping[str, Any]) -> LabelMap:
    """Label map of a labels layer's data and attributes, on the geometry that it carries.

    Raises
    ------
    GeometryError
        When the layer carries no geometry, or its shape is not the geometry's.
    """
    name = attributes.get("name", "the layer")
    facts = attributes.get("metadata", {}).get(METADATA_KEY, {})
    geometry = facts.get("geometry")
    if not isinstance(geometry, Geometry) or not geometry.known:
        raise GeometryError(
            f"Expected '{name}' to lie on an image with a known geometry, found none, so a saved "
            "mask would lie anywhere; open the image with TransMedSeg and paint on its labels."
        )
    array = np.asarray(data)
    if array.shape != geometry.display_shape:
        raise GeometryError(
            f"Expected '{name}' to have its image's shape {geometry.display_shape}, found "
            f"{array.shape}; save the labels layer that was made for this image."
        )
    return LabelMap(
        array=array,
        geometry=geometry,
        known=facts.get("known"),
        names=facts.get("names", {}),
        colors=_colors_of(attributes.get("colormap")),
    )


def class_colormap(colors: Mapping[int, str]) -> DirectLabelColormap:
    """Colormap of classes: background transparent, any value without a colour grey."""
    from napari.utils.colormaps import DirectLabelColormap

    colors_of: dict[int | None, str] = {None: "gray", 0: "transparent"}
    return DirectLabelColormap(color_dict=colors_of | dict(colors))


def holds_classes(array: npt.NDArray[Any]) -> bool:
    """Whether an array looks like a label map: integers, few values, small and not negative."""
    few = sampled(array)  # most images betray themselves at once, and are not read as a whole
    if few.min() < 0 or few.max() > 255 or len(np.unique(few)) > MAX_CLASSES_SNIFFED:
        return False
    low, high = array.min(), array.max()
    if low < 0 or high > 255 or not _is_whole(array):
        return False
    return len(class_counts(array.astype(np.uint8, copy=False))) <= MAX_CLASSES_SNIFFED


def contrast_limits(array: npt.NDArray[Any]) -> tuple[float, float]:
    """Intensities between which 99 % of a volume's voxels lie (sampled for speed)."""
    return PERCENTILES[0].limits(array)


def slice_view(array: npt.NDArray[Any], axis: int, index: int) -> npt.NDArray[Any]:
    """View (Y, X) of one slice of a display-order array along a display axis."""
    view: npt.NDArray[Any] = np.moveaxis(array, axis, 0)[index]
    return view


def differing_slices(a: npt.NDArray[Any], b: npt.NDArray[Any], axis: int) -> list[int]:
    """Indices along a display axis of the slices in which two arrays differ.

    Compares plane by plane in memory order: a large volume takes milliseconds.
    """
    planes = [i for i in range(len(a)) if not np.array_equal(a[i], b[i])]
    if axis == 0 or not planes:
        return planes
    others = tuple(other for other in range(3) if other != axis)
    found: list[int] = np.flatnonzero((a[planes] != b[planes]).any(axis=others)).tolist()
    return found


def changed_voxels(
    labels: npt.NDArray[Any], slices: Mapping[int, npt.NDArray[Any]], axis: int
) -> tuple[list[int], tuple[npt.NDArray[Any], ...], npt.NDArray[Any]]:
    """Slices that would change by new labels (Y, X), and the voxels in them with their values."""
    places, values, touched = [], [], []
    for index, labels_YX in slices.items():
        changed = np.nonzero(slice_view(labels, axis, index) != labels_YX)
        if changed[0].size:
            touched.append(index)
            values.append(labels_YX[changed])
            places.append([*changed])
            places[-1].insert(axis, np.full_like(changed[0], index))
    if not touched:
        return [], (), np.zeros(0, labels.dtype)
    indices = tuple(np.concatenate(parts) for parts in zip(*places, strict=True))
    return touched, indices, np.concatenate(values)


def placement(geometry: Geometry, **facts: Any) -> dict[str, Any]:
    """Layer options that put an array where its image lies, with the geometry kept."""
    return {
        "scale": tuple(geometry.display_spacing),
        "translate": tuple(geometry.display_translate),
        "units": ("mm", "mm", "mm"),
        "axis_labels": AXIS_LABELS,
        "metadata": {METADATA_KEY: {"geometry": geometry, **facts}},
    }


def exchange(layer: Any, data: Any, options: Mapping[str, Any]) -> None:
    """Put other data into a layer, at another place and under another name.

    Much faster than another layer: napari keeps its controls, its list and what it draws with.
    A further channel keeps contrast limits set by hand, where they show anything of the data.
    """
    limits = _limits_by_hand(layer, options)
    layer.data = data
    for name in ("scale", "translate"):
        if tuple(getattr(layer, name)) != tuple(options[name]):
            setattr(layer, name, options[name])
    layer.metadata, layer.name = options["metadata"], options["name"]
    if "contrast_limits" in options:
        low, high = options["contrast_limits"]
        limits = limits or (low, high)
        layer.contrast_limits_range = (min(low, limits[0]), max(high, limits[1]))
        layer.contrast_limits = limits


@contextmanager
def told_at_once(layers: Sequence[Any]) -> Iterator[None]:
    """Let layers be exchanged silently; napari hears of it when all of them are.

    To each change of an extent napari answers with other sliders and slices all layers again.
    """
    places = [(tuple(layer.scale), tuple(layer.translate)) for layer in layers]
    with ExitStack() as silence:
        for layer in layers:
            for name in ("data", "scale", "translate", "set_data", "thumbnail"):
                silence.enter_context(getattr(layer.events, name).blocker())
        yield
    for layer, (scale, translate) in zip(layers, places, strict=True):
        layer.events.data(value=layer.data)
        if tuple(layer.scale) != scale:
            layer.events.scale()
        if tuple(layer.translate) != translate:
            layer.events.translate()
    for layer in layers:
        layer.refresh(extent=False)


def edited_along(edits: Any, axis: int) -> list[int] | None:
    """Indices along a data axis that an item of napari's undo history may have changed.

    None where the item is not as napari 0.5 to 0.9 makes them: then anything may have changed.
    """
    touched: set[int] = set()
    try:
        for edit in edits:
            place = edit[0][axis]
            if isinstance(place, slice):
                touched |= set(range(place.start, place.stop))
            else:
                touched |= set(np.unique(np.asarray(place, dtype=np.intp)).tolist())
    except (TypeError, ValueError, IndexError):
        return None
    return sorted(touched)


def _sources(paths: Sequence[str | Path]) -> list[ImageSource]:
    given = [Path(path) for path in paths]
    labels = [path for path in given if is_segmentation(path)]
    images = [path for path in given if path not in labels]
    found = find_sources(images, ImportOptions(series=(ALL,)))
    if len(found) > max(MAX_LAYERS, len(given)) or not found + labels:
        raise ImageReadError(
            f"Expected 1 to {MAX_LAYERS} images in {given[0]}, found {len(found)}; choose another "
            "folder, or make a project of it in the TransMedSeg widget."
        )
    return found + [ImageSource(path=path, case_id=case_id_of(path)) for path in labels]


def _colors_of(colormap: Any) -> dict[int, str]:
    """Class colours of a direct colormap; none of any other."""
    found = getattr(colormap, "color_dict", None) or {}
    return {
        int(value): "#" + "".join(f"{round(float(part) * 255):02x}" for part in color[:3])
        for value, color in found.items()
        if value and np.asarray(color).dtype.kind == "f"
    }


def _limits_by_hand(layer: Any, options: Mapping[str, Any]) -> tuple[float, float] | None:
    """Contrast limits that somebody gave a further channel; None where the next data sets them."""
    before, after = (one.get(METADATA_KEY, {}) for one in (layer.metadata, options["metadata"]))
    if "own_limits" not in before or before["channel"] != after.get("channel"):
        return None
    low, high = layer.contrast_limits
    is_own = np.allclose((low, high), before["own_limits"])
    shows = overlap((low, high), options["contrast_limits"])
    return None if is_own or not shows else (low, high)


def _is_whole(array: npt.NDArray[Any]) -> bool:
    if array.dtype.kind in "iub":
        return True
    return bool(np.array_equal(array, np.rint(array)))


def _named_like_labels(path: Path) -> bool:
    words = (path.name + "/" + path.parent.name).lower()
    return any(word in words for word in LABEL_WORDS)
