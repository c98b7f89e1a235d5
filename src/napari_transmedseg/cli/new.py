"""`transmedseg new`: a project from images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import Switch, out, print_advice


@dataclass(frozen=True, kw_only=True)
class New:
    """Make a project folder from images. Nothing is copied and nothing trains."""

    project: Positional[Path]
    """Folder of the new project."""
    images: Annotated[tuple[Path, ...], arg(metavar="PATH...")]
    """Image files, or folders that are searched for them; DICOM series too."""
    classes: Annotated[tuple[str, ...], arg(metavar="A,B,...")]
    """Names of the classes, separated by commas; values 1, 2, ... in this order."""
    plane: Literal["auto", "axial", "coronal", "sagittal"] = "auto"
    """Plane of the slices; `auto`: the one in which most cases were acquired."""
    series: Annotated[tuple[str, ...], arg(metavar="KEY...")] = ()
    """Keys of DICOM series where a folder holds several (`transmedseg info FOLDER`), or `all`."""
    frame: Annotated[str | None, arg(metavar="N|all|channels")] = None
    """Frame or channel of 4-D images, from 0; `all`: each becomes a case; `channels`: all of them
    are the channels of one case."""
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
        from napari_transmedseg.project.channel_groups import channels_left_out
        from napari_transmedseg.project.image_sources import (
            labels_left_out,
            series_left_out,
        )
        from napari_transmedseg.project.import_options import ImportOptions, parse_frame
        from napari_transmedseg.project.project import Project

        names = [name.strip() for text in self.classes for name in text.split(",")]
        options = ImportOptions(
            frame=parse_frame(self.frame),
            series=self.series,
            confirm_spacing=self.confirm_spacing,
            anonymous_ids=self.anonymous_ids,
            channels=self.channels,
            resample_channels=self.resample_channels,
        )
        with Project.create(
            self.project,
            images=self.images,
            classes=[name for name in names if name],
            plane=self.plane,
            options=options,
        ) as project:
            listed = ", ".join(f"{item.value} {item.name}" for item in project.classes)
            console = out()
            seen = ", ".join(project.channel_names)
            console.print(
                f"{project.folder}: {len(project.cases)} cases, classes {listed}"
                f"{f', channels {seen}' if seen else ''}."
            )
            print_advice(f"{case.case_id}: {note}" for case in project.cases for note in case.notes)
            print_advice(series_left_out(self.images))
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
            console.print(f"Next: transmedseg annotate {self.project} --from-labels PATH")
        return 0
