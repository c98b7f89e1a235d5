"""Where the sample cohort lies: inside the wheel, or beside the sources."""

from pathlib import Path

from napari_transmedseg.errors import ProjectError

SAMPLE_CLASSES = ("RV", "myocardium", "LV")
"""Names of the values 1, 2, 3 in the reference label maps."""


def sample_folder() -> Path:
    """Folder with `images/` and `labels/`, paired by file name.

    Raises
    ------
    ProjectError
        When the installation lacks it.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "sample_data", package.parents[1] / "sample_data"):
        if (folder / "images").is_dir():
            return folder
    raise ProjectError(
        f"Expected the sample data in {package / 'sample_data'}, found none; "
        "install the package again."
    )


def sample_images() -> list[Path]:
    """Images of the sample cohort, sorted by case."""
    return sorted((sample_folder() / "images").glob("*.nii.gz"))


def sample_labels() -> list[Path]:
    """Reference label maps of the sample cohort, in the order of `sample_images`."""
    return [sample_folder() / "labels" / path.name for path in sample_images()]
