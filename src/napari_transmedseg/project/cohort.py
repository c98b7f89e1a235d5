"""The cohort of a project: its cases, its classes, and the file that keeps them."""

from __future__ import annotations

import dataclasses
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from psygnal import Signal

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.one_piece import with_names_of_now
from napari_transmedseg.errors import ProjectError, ProjectTakenError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import Volume
from napari_transmedseg.project import case_files
from napari_transmedseg.project.channel_groups import channel_case
from napari_transmedseg.project.image_sources import ImageSource
from napari_transmedseg.project.import_options import NO_CHOICE, ImportOptions
from napari_transmedseg.project.links import remember_cases
from napari_transmedseg.project.lock import ProjectLock
from napari_transmedseg.project.schema import (
    Case,
    ProjectFile,
    SegmentationClass,
    check_class_names,
    find_image,
    save_project_file,
    unused_color,
)

_CACHED_VOLUMES = 3
_ONE_PIECE = "largest_component"
"""Field of `TrainingConfig` that may name classes."""


class Cohort:
    """Cases and classes of a project folder, and whether they may be changed."""

    cases_changed: ClassVar[Signal] = Signal()
    classes_changed: ClassVar[Signal] = Signal()

    def __init__(self, folder: Path, content: ProjectFile, lock: ProjectLock | None) -> None:
        self.folder = folder
        self._content = content
        self._cases = {case.case_id: case for case in content.cases}
        self._geometries: dict[str, Geometry] = {}
        self._volumes: OrderedDict[str, Volume] = OrderedDict()
        self._caches = threading.Lock()  # the window and a running task both read images
        self.read_only = lock is None
        self.notices: tuple[str, ...] = ()
        """What whoever opened the project should be told, a sentence each."""
        self._obstacle: ProjectError | None = None
        self._lock = lock
        self._release = weakref.finalize(self, lock.release) if lock is not None else None

    def close(self) -> None:
        """Let other programs write; this object reads only from now on."""
        self.read_only = True
        with self._caches:
            self._volumes.clear()
        if self._release is not None:
            self._release()

    @property
    def name(self) -> str:
        """Name for titles."""
        return self._content.name

    @property
    def classes(self) -> tuple[SegmentationClass, ...]:
        """Classes by ascending value; background is not among them."""
        return self._content.classes

    @property
    def cases(self) -> tuple[Case, ...]:
        """Cases in the order in which they were added."""
        return self._content.cases

    @property
    def slice_axis(self) -> int:
        """Display axis along which slices are counted: 0 I, 1 P, 2 L."""
        return self._content.slice_axis

    @property
    def config(self) -> TrainingConfig:
        """Training settings that this project prefers.

        Raises
        ------
        ProjectError
            If they are not of this version.
        """
        try:
            return TrainingConfig(**self._content.config)
        except TypeError as error:
            raise ProjectError(
                f"Expected the settings of this program's training in {self.folder}, found others "
                f"({error}); choose settings anew."
            ) from error

    def set_config(self, config: TrainingConfig) -> None:
        """Remember training settings."""
        default = dataclasses.asdict(TrainingConfig())
        given = dataclasses.asdict(config)
        self._update(config={key: value for key, value in given.items() if value != default[key]})

    def add_images(
        self, paths: Iterable[str | Path | ImageSource], options: ImportOptions = NO_CHOICE
    ) -> list[Case]:
        """Add images, and those in folders; what is in the project already is left alone.

        Several images become one case as `options.channels` says, or by `channel_case`.

        Raises
        ------
        ProjectError, ImageReadError, GeometryError
            If one of them cannot be used; none is added then.
        """
        self._require_writable()
        found = case_files.read_cases(paths, self.folder, self.cases, options)
        added = [case for case, _ in found]
        if added:
            remember_cases(added, self.folder)
            self._update(cases=(*self.cases, *added))
            self.cases_changed.emit()
        return added

    def add_case(
        self,
        case_id: str,
        channels: Mapping[str, str | Path | ImageSource],
        options: ImportOptions = NO_CHOICE,
    ) -> Case:
        """Add one case of several co-registered images, by the names of the channels in order.

        Raises
        ------
        ProjectError
            If the case is there already, or has other channels than the others of the project.
        ConfigError, ImageReadError, GeometryError
            If an image cannot be used, or lies on other voxels than the first one.
        """
        source = channel_case(case_id, channels)
        if added := self.add_images([source], options):
            return added[0]
        raise ProjectError(
            f"Expected images that are not in the project yet for {case_id}, found that "
            f"{source.path} is a case already; use that one."
        )

    def case(self, case_id: str) -> Case:
        """Facts of one case.

        Raises
        ------
        ProjectError
            If there is none of that id.
        """
        try:
            return self._cases[case_id]
        except KeyError:
            some = ", ".join(list(self._cases)[:3])
            raise ProjectError(
                f"Expected a case of this project ({some}, …), found '{case_id}'; add its image "
                "first, or check the name."
            ) from None

    def set_domain(self, case_id: str, domain: str) -> None:
        """Say which site or scanner a case comes from."""
        self._replace_case(self.case(case_id).model_copy(update={"domain": domain.strip()}))

    def relink_image(self, case_id: str, path: str | Path, channel: str | None = None) -> None:
        """Point a case to where its image is now, or that of one of its further channels.

        Raises
        ------
        ProjectError
            If that image has another grid, or the case no such channel.
        """
        case = self.case(case_id)
        changed = case_files.relinked(case, Path(path), self.folder, channel)
        remember_cases([changed], self.folder)
        self._replace_case(changed)
        with self._caches:
            self._geometries.pop(case_id, None)
            self._volumes.pop(case_id, None)

    def image_path(self, case_id: str) -> Path:
        """Where the (first) image is, or should be."""
        return find_image(self.case(case_id), self.folder)

    def image_paths(self, case_id: str) -> list[Path]:
        """Where the images of all channels are, or should be."""
        return case_files.find_images_of(self.case(case_id), self.folder)

    def geometry(self, case_id: str) -> Geometry:
        """Grid of the image.

        Raises
        ------
        ProjectError
            If the image is missing or has become another.
        """
        with self._caches:
            known = self._geometries.get(case_id)
        if known is not None:
            return known
        case, path = self.case(case_id), self.image_path(case_id)
        geometry = case_files.open_case(case, path).geometry
        with self._caches:
            return self._geometries.setdefault(case_id, geometry)

    def volume(self, case_id: str) -> Volume:
        """Read the image; the last few are kept in memory. Errors as in `read_volume`.

        May be called on any thread; nobody waits for an image that another thread reads.
        """
        with self._caches:
            known = self._volumes.get(case_id)
        read = known or case_files.load_case(self.case(case_id), *self.image_paths(case_id))
        with self._caches:
            volume = self._volumes.setdefault(case_id, read)
            self._volumes.move_to_end(case_id)
            while len(self._volumes) > _CACHED_VOLUMES:
                self._volumes.popitem(last=False)
        return volume

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels of every case in their order; empty for single images."""
        return self.cases[0].channel_names if self.cases else ()

    def num_slices(self, case_id: str) -> int:
        """Slices of a case along the project's slice axis."""
        return self.case(case_id).shape[self.slice_axis]

    # --- classes

    @property
    def class_names(self) -> dict[int, str]:
        """Names by value."""
        return {item.value: item.name for item in self.classes}

    @property
    def ordered_classes(self) -> tuple[SegmentationClass, ...]:
        """Classes in the order in which a person wants to see them."""
        order = self._content.class_order or range(1, len(self.classes) + 1)
        return tuple(self.classes[value - 1] for value in order)

    def move_class(self, value: int, place: int) -> None:
        """Show a class at another place, from 0; its value and its voxels stay."""
        moved = self._class(value)
        order = [item.value for item in self.ordered_classes if item is not moved]
        order.insert(place, value)
        self._update(class_order=tuple(order))
        self.classes_changed.emit()

    def add_class(self, name: str, color: str | None = None) -> SegmentationClass:
        """Add a class; its value is the next number, its colour one that no other class has."""
        value = len(self.classes) + 1
        check_class_names([*self.class_names.values(), name])
        chosen = color or unused_color(value, [one.color for one in self.classes])
        added = case_files.make_class(value, name, chosen)
        order = self._content.class_order
        self._update(classes=(*self.classes, added), class_order=(*order, value) if order else ())
        self.classes_changed.emit()
        return added

    def rename_class(self, value: int, name: str) -> None:
        """Give a class another name; its voxels stay."""
        names = {**self.class_names, self._class(value).value: name}
        check_class_names(list(names.values()))
        self._change_class(case_files.make_class(value, name, self._class(value).color))

    def recolor_class(self, value: int, color: str) -> None:
        """Give a class another colour, `#rrggbb`."""
        self._change_class(case_files.make_class(value, self._class(value).name, color))

    # --- keeping

    def _class(self, value: int) -> SegmentationClass:
        if not 1 <= value <= len(self.classes):
            raise ProjectError(
                f"Expected a class from 1 to {len(self.classes)}, found {value}; add it first."
            )
        return self.classes[value - 1]

    def _change_class(self, changed: SegmentationClass) -> None:
        self._set_classes(
            tuple(changed if item.value == changed.value else item for item in self.classes)
        )

    def _set_classes(self, classes: tuple[SegmentationClass, ...]) -> None:
        names = [item.name for item in classes]
        self._update(classes=classes, config=self._config_with(names))
        self.classes_changed.emit()

    def _config_with(self, names: Sequence[str | None]) -> dict[str, Any]:
        """Stored settings when each class is called otherwise, or is gone (None)."""
        config, before = dict(self._content.config), list(self.class_names.values())
        asked = config.get(_ONE_PIECE)
        if isinstance(asked, str):  # older settings say yes or no
            config[_ONE_PIECE] = with_names_of_now(asked, before, names)
        return config

    def _replace_case(self, changed: Case) -> None:
        self._update(
            cases=tuple(changed if c.case_id == changed.case_id else c for c in self.cases)
        )
        self.cases_changed.emit()

    def _update(self, **changes: Any) -> None:
        self._require_writable()
        content = self._content.model_copy(update=changes)
        save_project_file(self.folder, content)
        self._content = content
        self._cases = {case.case_id: case for case in content.cases}

    def _require_writable(self) -> None:
        """Refuse changes of a project that is read-only, closed, taken over or gone.

        Raises
        ------
        ProjectError
        """
        if self._obstacle is not None:
            raise self._obstacle
        if self.read_only or self._lock is None:
            raise ProjectError(
                f"Expected a project that may be changed, found {self.folder} opened read-only or "
                "closed; open it again for writing."
            )
        self._check_lock(self._lock)

    def require_ours(self) -> None:
        """Refuse to go on when another program took the project over.

        Raises
        ------
        ProjectTakenError
        """
        try:
            self._require_writable()
        except ProjectTakenError:
            raise
        except ProjectError:  # closed, or out of reach: writing will tell
            return

    def _check_lock(self, lock: ProjectLock) -> None:
        try:
            lock.check()
        except ProjectTakenError as error:
            self.read_only, self._obstacle = True, error
            raise
