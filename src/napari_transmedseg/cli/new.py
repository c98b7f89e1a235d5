"""`transmedseg new`: a project from images, or from a data set with its label maps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import Switch, out, print_advice
from napari_transmedseg.errors import ConfigError

if TYPE_CHECKING:
    from napari_transmedseg.project.import_options import ImportOptions
    from napari_transmedseg.project.project import Project


@dataclass(frozen=True, kw_only=True)
class New:
    """Make a project folder from images, or from a data set. Nothing trains.

    Images stay where they are; label maps of a data set are copied as annotation.
    """

    project: Positional[Path]
    """Folder of the new project."""
    images: Annotated[tuple[Path, ...], arg(metavar="PATH...")] = ()
    """Image files, or folders that are searched for them; DICOM series too."""
    data_set: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Data set instead of images: its label maps become annotation, its class names classes."""
    layout: Literal["auto", "dataset.json", "bids", "acdc", "images-labels", "pancreas", "flat"] = (
        "auto"
    )
    """How the data set lies: `dataset.json` of MSD or nnU-Net, BIDS with derivatives, ACDC's
    patient folders, images/ and labels/, the NIH's Pancreas-CT, or `flat`: images with _seg, _gt,
    _label or -manual beside them."""
    without_labels: Switch = False
    """Leave the data set's label maps out."""
    classes: Annotated[tuple[str, ...], arg(metavar="A,B,...")] = ()
    """Names of the classes, separated by commas; values 1, 2, ... in this order. Without: those of
    the data set."""
    plane: Literal["auto", "axial", "coronal", "sagittal"] = "auto"
    """Plane of the slices; `auto`: the one in which most cases were acquired."""
    series: Annotated[tuple[str, ...], arg(metavar="KEY...")] = ()
    """Keys of DICOM series where a folder holds several (`transmedseg info FOLDER`), or `all`."""
    frame: Annotated[str | None, arg(metavar="N|all|channels")] = None
    """Frame or channel of 4-D images, from 0; `all`: each becomes a case; `channels`: all of them
    are the channels of one case. Of a data set: the one channel that is used, or `channels`."""
    channels: Annotated[tuple[str, ...], arg(metavar="NAME...")] = ()
    """Several images per case: how their names end, such as `t1 t2 flair`, or NAME=END, such as
    `t1=_0000 t2=_0001`; `auto`: all of _0000, _0001, ... as nnU-Net has them. The first is shown
    and gives the grid. With `--frame channels`: their names."""
    resample_channels: Switch = False
    """Bring channels that lie on another grid onto that of their case's first image."""
    confirm_spacing: Switch = False
    """Vouch for the voxel size of images that do not say where they lie."""
    anonymous_ids: Switch = False
    """Call cases case_001, case_002, ... instead of after their files and folders."""

    def run(self) -> int:
        """Create the project and say what is in it."""
        from napari_transmedseg.project.import_options import ImportOptions, parse_frame

        if bool(self.images) == (self.data_set is not None):
            found = "both" if self.images else "neither"
            raise ConfigError(
                f"Expected images (--images) or a data set (--data-set), found {found}; give "
                "one of them, after the project's folder."
            )
        options = ImportOptions(
            frame=parse_frame(self.frame),
            series=self.series,
            confirm_spacing=self.confirm_spacing,
            anonymous_ids=self.anonymous_ids,
            channels=self.channels,
            resample_channels=self.resample_channels,
        )
        if self.data_set is not None:
            self._from_data_set(self.data_set, options)
        else:
            self._from_images(options)
        return 0

    def _from_images(self, options: ImportOptions) -> None:
        from napari_transmedseg.imaging.data_sets import quick_layout
        from napari_transmedseg.project.channel_groups import channels_left_out
        from napari_transmedseg.project.image_sources import labels_left_out, series_left_out
        from napari_transmedseg.project.project import Project

        for folder in (path for path in self.images if path.is_dir()):
            if layout := quick_layout(folder):
                print_advice(
                    [
                        f"{folder} lies as a data set ({layout}): --data-set instead of --images "
                        "takes its label maps and class names too."
                    ]
                )
        with Project.create(
            self.project,
            images=self.images,
            classes=self._class_names(),
            plane=self.plane,
            options=options,
        ) as project:
            _tell(project, series_left_out(self.images))
            if labels := labels_left_out(self.images):
                print_advice(
                    [
                        f"{len(labels)} files are named like label maps and are no cases, such as "
                        f"{labels[0].name}; bring them in with transmedseg annotate."
                    ]
                )
            if others := channels_left_out(self.images, options):
                print_advice(
                    [
                        f"{len(others)} files are none of the channels and were left out, such as "
                        f"{others[0].name}."
                    ]
                )
            out().print(f"Next: transmedseg annotate {self.project} --from-labels PATH")

    def _from_data_set(self, data_set: Path, images: ImportOptions) -> None:
        from napari_transmedseg.cli.progress import CountView
        from napari_transmedseg.project.data_set_import import (
            DataSetOptions,
            create_project,
            open_data_set,
            summary_of,
            take_labels,
        )

        options = DataSetOptions(
            layout=self.layout,
            classes=tuple(self._class_names()),
            with_labels=not self.without_labels,
            plane=self.plane,
            images=images,
        )
        opened = open_data_set(data_set, options)
        events = []
        with create_project(self.project, opened) as project:
            with CountView("Taking label maps") as view:
                for event in take_labels(project, opened):
                    events.append(event)
                    view.show(event.index, event.total, event.case_id)
            summary = summary_of(opened, events)
            _tell(project, summary.notes)
        out().print(f"{len(summary.annotated)} cases are annotated whole.")
        out().print(f"Next: transmedseg status {self.project}")

    def _class_names(self) -> list[str]:
        names = (name.strip() for text in self.classes for name in text.split(","))
        return [name for name in names if name]


def _tell(project: Project, notes: Iterable[str]) -> None:
    listed = ", ".join(f"{item.value} {item.name}" for item in project.classes)
    seen = f", channels {', '.join(project.channel_names)}" if project.channel_names else ""
    out().print(f"{project.folder}: {len(project.cases)} cases, classes {listed}{seen}.")
    print_advice(f"{case.case_id}: {note}" for case in project.cases for note in case.notes)
    print_advice(notes)
