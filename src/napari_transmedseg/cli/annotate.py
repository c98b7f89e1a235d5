"""`transmedseg annotate`: label maps of other tools as annotation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import Switch, make_table, out, print_advice
from napari_transmedseg.cli.opening import TakeOver, open_project


@dataclass(frozen=True, kw_only=True)
class Annotate:
    """Bring label maps, or some slices of them, in as annotation."""

    project: Positional[Path]
    """Folder of the project."""
    from_labels: Annotated[Path, arg(metavar="PATH")]
    """Folder of label maps named after their cases, or one label map."""
    cases: Annotated[int | None, arg(metavar="N")] = None
    """How many cases, drawn by the seed. Without: all that have a label map."""
    slices_per_case: Annotated[int | None, arg(metavar="K")] = None
    """How many slices of each case, spread over the whole stack. Without: all."""
    seed: int = 0
    """Seed of the drawing."""
    pattern: str = "{case}"
    """Name of a label map after its case, such as `{case}_gt`. Without: the case's name, with or
    without a usual suffix (_seg, _gt, _label, -manual, ...)."""
    map: Annotated[tuple[str, ...], arg(metavar="LABEL=CLASS...")] = ()
    """Values or names in the label maps that become a class (value or name), `background`, or
    `unknown`."""
    names: Annotated[Path | None, arg(metavar="FILE")] = None
    """File that names the labels: of ITK-SNAP, 3D Slicer, or `.labels.json`."""
    resample: Switch = False
    """Resample label maps on another grid of the same space; what was lost is told."""
    overlap: Annotated[str | None, arg(metavar="later|A,B,...")] = None
    """Which segment wins where several claim a voxel (3D Slicer, DICOM SEG): `later` in the file,
    or names in the order of their priority; the overlapped voxels are told. Without: refused."""
    known: Literal["all", "slices", "voxels"] = "all"
    """What of the label maps counts as known: all of it, so that slices without labels are empty;
    slices that have labels, as a whole; or only the labeled voxels, so that these slices are in
    progress. Never more than `<case>.known.nii.gz` beside a label map says."""
    replace: Switch = False
    """Replace what was annotated before on the slices that are brought in."""
    take_over: TakeOver = False

    def run(self) -> int:
        """Import the label maps and list what was taken."""
        from napari_transmedseg.imaging.overlap import parse_overlap
        from napari_transmedseg.project.annotate import annotate_from_labels
        from napari_transmedseg.project.label_classes import parse_mapping

        with open_project(self.project, take_over=self.take_over) as project:
            summary = annotate_from_labels(
                project,
                self.from_labels,
                num_cases=self.cases,
                slices_per_case=self.slices_per_case,
                seed=self.seed,
                pattern=self.pattern,
                replace=self.replace,
                mapping=parse_mapping(self.map),
                names=self.names,
                resample=self.resample,
                overlap=parse_overlap(self.overlap),
                known=self.known,
            )
        table = make_table(["case", "slices", "annotated slices"])
        for case in summary.cases:
            table.add_row(case.case_id, str(len(case.slices)), _listed(case.slices))
        out().print(table)
        print_advice(summary.advice)
        out().print(f"Next: transmedseg train {self.project}")
        return 0


def _listed(slices: tuple[int, ...]) -> str:
    """Numbers of slices, which people count from 1, as in the widget."""
    numbers = [index + 1 for index in slices]
    whole = len(numbers) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]}–{numbers[-1]}" if whole else ", ".join(map(str, numbers))
