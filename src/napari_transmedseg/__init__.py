"""Segment a cohort of volumes from a few annotated slices, in napari or without it.

The names below are loaded when they are first used, so that importing the package loads
neither torch nor Qt.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_transmedseg.engine.config import TrainingConfig
    from napari_transmedseg.engine.control import TrainingControl
    from napari_transmedseg.engine.events import TrainingEvent
    from napari_transmedseg.errors import TransMedSegError
    from napari_transmedseg.imaging.geometry import Geometry
    from napari_transmedseg.imaging.io import read_labels, read_volume, write_labels
    from napari_transmedseg.imaging.volume import LabelMap, Volume
    from napari_transmedseg.project.annotate import annotate_from_labels
    from napari_transmedseg.project.data_set_import import DataSetOptions, project_from_data_set
    from napari_transmedseg.project.evaluation import evaluate
    from napari_transmedseg.project.export import ExportOptions, export
    from napari_transmedseg.project.project import Project
    from napari_transmedseg.project.report import write_report
    from napari_transmedseg.project.training import predict, train

    __version__: str

__all__ = [
    "DataSetOptions",
    "ExportOptions",
    "Geometry",
    "LabelMap",
    "Project",
    "TrainingConfig",
    "TrainingControl",
    "TrainingEvent",
    "TransMedSegError",
    "Volume",
    "__version__",
    "annotate_from_labels",
    "evaluate",
    "export",
    "predict",
    "project_from_data_set",
    "read_labels",
    "read_volume",
    "train",
    "write_labels",
    "write_report",
]

_HOMES = {
    "DataSetOptions": "project.data_set_import",
    "ExportOptions": "project.export_options",
    "Geometry": "imaging.geometry",
    "LabelMap": "imaging.volume",
    "Project": "project.project",
    "TrainingConfig": "engine.config",
    "TrainingControl": "engine.control",
    "TrainingEvent": "engine.events",
    "TransMedSegError": "errors",
    "Volume": "imaging.volume",
    "annotate_from_labels": "project.annotate",
    "evaluate": "project.evaluation",
    "export": "project.export",
    "predict": "project.training",
    "project_from_data_set": "project.data_set_import",
    "read_labels": "imaging.io",
    "read_volume": "imaging.io",
    "train": "project.training",
    "write_labels": "imaging.io",
    "write_report": "project.report",
}
_SOURCE_VERSION = "0.1.0"
"""Version of a source folder that is not installed."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("napari-transmedseg")
    except PackageNotFoundError:
        return _SOURCE_VERSION
