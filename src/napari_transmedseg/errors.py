"""Errors that a person reads: what was expected, what was found, and the way out."""


class TransMedSegError(Exception):
    """Base of every error that this package raises on purpose.

    The message is one plain sentence; the command line prints it and exits with 2,
    the widget shows it in a dialog.
    """


class ImageReadError(TransMedSegError):
    """A file is no image, is damaged, or holds what cannot be segmented."""


class OverlapError(ImageReadError):
    """Segments claim the same voxels, and nobody said which of them wins."""

    def __init__(self, sentence: str, pairs: tuple[tuple[str, str, int], ...]) -> None:
        super().__init__(sentence)
        self.pairs = pairs
        """Names of two segments, and how many voxels both of them claim."""


class GeometryError(TransMedSegError):
    """Two volumes do not lie on the same voxels, or a geometry is unknown."""


class ProjectError(TransMedSegError):
    """A project folder cannot be opened, written, or lacks what was asked for."""


class DamagedFileError(ProjectError):
    """A project's description is damaged; there may be a copy of it."""


class ProjectHeldError(ProjectError):
    """Another program has the project open: read only, or take it over knowingly."""


class ProjectTakenError(ProjectError):
    """Another program took this project over; what was not saved lies in a rescue file."""


class UnlinkedError(ProjectError):
    """A project reaches outside its folder, to files that this person never chose."""


class ConfigError(TransMedSegError):
    """A setting is out of its limits or contradicts another."""


class PlanError(TransMedSegError):
    """There is nothing that can be trained, with the reason."""


class TrainingError(TransMedSegError):
    """Training stopped and could not go on."""


class DataSetError(TransMedSegError):
    """A data set is missing or not laid out as its loader expects."""


class ExperimentError(TransMedSegError):
    """An experiment does not exist, or cannot be run on what is there."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, the computer's or an accelerator's, whoever says so."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in _OUT_OF_MEMORY)
    )


_OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "alloc_failed",  # cuBLAS and cuDNN
)
"""How PyTorch's allocators put it."""
