"""`transmedseg export`: masks that lie exactly on their images."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import Switch, out, print_json
from napari_transmedseg.cli.opening import open_project


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write one mask per case, on its image's own grid.

    Where a person annotated, the annotation wins; elsewhere the prediction is taken.
    """

    project: Positional[Path]
    """Folder of the project."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Folder for the masks."""
    cases: Annotated[tuple[str, ...], arg(metavar="CASE...")] = ()
    """Cases to export; without: all."""
    reviewed_only: Switch = False
    """Only what a person annotated or accepted, with its known mask beside it."""
    run_id: Annotated[str | None, arg(name="run", metavar="RUN")] = None
    """Which run's predictions; without: the latest."""
    format: Literal["nii.gz", "nii", "nrrd", "seg.nrrd", "dicom-seg"] = "nii.gz"
    """File format; `seg.nrrd` opens in 3D Slicer as a segmentation, `dicom-seg` refers to the
    DICOM series that a case was made from."""
    per_class: Switch = False
    """One file of 0 and 1 for each class instead of one with all."""
    probabilities: Switch = False
    """Also write the probability of each class and of background, in [0, 1], by the run's model."""
    cleanup: Literal["none", "largest", "holes", "largest-holes"] = "none"
    """What is done to predicted voxels: `largest` keeps the largest piece of each class (and those
    that hold annotation), `holes` fills holes. What a person annotated is never changed."""
    json: Switch = False
    """Print what was written as JSON."""

    def run(self) -> int:
        """Export all cases and say where the masks are."""
        from napari_transmedseg.project.export import ExportOptions, export

        with open_project(self.project, read_only=True) as project:
            exported = export(
                project,
                self.out,
                ExportOptions(
                    cases=self.cases,
                    reviewed_only=self.reviewed_only,
                    run_id=self.run_id,
                    file_format=self.format,
                    per_class=self.per_class,
                    probabilities=self.probabilities,
                    cleanup=self.cleanup,
                ),
            )
        if self.json:
            print_json([asdict(case) for case in exported])
        else:
            count = sum(len(case.files) for case in exported)
            out().print(f"{count} masks in {self.out}; export.html there sums them up.")
        return 0
