"""A project from the sample data, with three annotated slices in half of its cases."""

import shutil
from pathlib import Path

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.sample_cases import SAMPLE_CLASSES, sample_folder

ANNOTATED_PER_SITE = 2
SLICES_PER_CASE = 3


def create_demo_project(folder: Path, *, seed: int = 0) -> Project:
    """Copy the sample data into a new folder and annotate some slices from its references.

    The folder is the project and holds all that it needs: `images`, and `references`, of which
    only the annotated slices are looked at in training. Two cases of each site get three
    annotated slices, the others none.

    Raises
    ------
    ProjectError
        Where the folder exists already and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(
            f"Expected a new or empty folder for the demo, found that {folder} holds something; "
            "choose another one with --out."
        )
    source = sample_folder()
    try:
        shutil.copytree(source / "images", folder / "images")
        shutil.copytree(source / "labels", folder / "references")
    except OSError as error:
        raise ProjectError(
            f"Expected to write in {folder}, found: {error.strerror}; choose another folder with "
            "--out."
        ) from error
    project = Project.create(folder, images=[folder / "images"], classes=SAMPLE_CLASSES)
    for case in project.cases:
        project.set_domain(case.case_id, _site(case.case_id))
    annotate_from_labels(
        project,
        folder / "references",
        case_ids=_annotated_cases([case.case_id for case in project.cases]),
        slices_per_case=SLICES_PER_CASE,
        seed=seed,
    )
    return project


def free_folder(name: str) -> Path:
    """`name`, or `name-2`, `name-3`, … where that is taken."""
    folder, number = Path(name), 1
    while folder.exists():
        number += 1
        folder = Path(f"{name}-{number}")
    return folder


def _site(case_id: str) -> str:
    return case_id.rpartition("_")[2]


def _annotated_cases(case_ids: list[str]) -> list[str]:
    """First cases of each site."""
    sites: dict[str, list[str]] = {}
    for case_id in case_ids:
        sites.setdefault(_site(case_id), []).append(case_id)
    return [case_id for ids in sites.values() for case_id in ids[:ANNOTATED_PER_SITE]]
