"""What a table says about a case; reads no image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.formats import META_SUFFIXES, NIFTI_SUFFIXES, NRRD_SUFFIXES
from napari_transmedseg.project.ledger import Ledger, SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.schema import Case

_FORMATS = {"NIfTI": NIFTI_SUFFIXES, "NRRD": NRRD_SUFFIXES, "MetaImage": META_SUFFIXES}


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseFacts:
    """One case in plain words and numbers."""

    case_id: str
    kind: str = ""
    """Modality where the image tells it, else the format of its file."""
    shape: tuple[int, int, int] = (1, 1, 1)
    """Voxels along I, P, L."""
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """In mm along I, P, L."""
    domain: str = ""
    num_annotated: int = 0
    """Slices that a person made known as a whole, empty and filled ones too."""
    num_accepted: int = 0
    """Slices known as a whole because a prediction was accepted."""
    num_slices: int = 0
    state: str = ""
    problem: str = ""
    """What is missing or unusual; empty where nothing is."""
    image: str = ""
    """Where the image is, or should be."""

    @property
    def is_missing(self) -> bool:
        """Whether the image is gone."""
        return self.state == MISSING


MISSING = "image missing"
DAMAGED = "labels damaged"


def facts_of(project: Project, case: Case, ledger: Ledger | None = None) -> CaseFacts:
    """Describe a case; looks at the image's path, not into it.

    Parameters
    ----------
    project, case
        The case and its project.
    ledger
        Its states where the project's are not the newest.
    """
    paths = project.image_paths(case.case_id)
    facts = CaseFacts(
        case_id=case.case_id,
        kind=case.modality or format_of(paths[0]),
        shape=case.shape,
        spacing=case.spacing,
        domain=case.domain,
        num_slices=project.num_slices(case.case_id),
        image=str(paths[0]),
    )
    try:
        ledger = project.ledger(case.case_id) if ledger is None else ledger
    except ProjectError as error:  # one damaged case must not keep the others away
        return replace(facts, state=DAMAGED, problem=str(error))
    accepted = ledger.counts()[SliceState.ACCEPTED]
    missing = [str(path) for path in paths if not path.exists()]
    return replace(
        facts,
        num_annotated=len(ledger.labeled_indices()) - accepted,
        num_accepted=accepted,
        state=MISSING if missing else _state_of(ledger),
        problem=_problem_of(case, missing, ledger),
    )


def format_of(path: Path) -> str:
    """Plain name of a file's format; DICOM where the suffix says nothing."""
    name = path.name.lower()
    return next((one for one, ends in _FORMATS.items() if name.endswith(ends)), "DICOM")


def _state_of(ledger: Ledger) -> str:
    labeled = len(ledger.labeled_indices())
    if labeled == len(ledger):
        return "complete"
    if SliceState.IN_PROGRESS in ledger.states:
        return "in progress"
    return "begun" if labeled else "not begun"


def _problem_of(case: Case, missing: Sequence[str], ledger: Ledger) -> str:
    found = list(case.notes)
    if missing:
        found.insert(0, f"The image is not at {', '.join(missing)}; put it back or relink it.")
    if case.spacing_confirmed:
        found.append("The image does not say where it lies; its voxel size was confirmed by hand.")
    if not any(state.is_begun for state in ledger.states):
        found.append("No label yet.")
    return " ".join(found)
