"""The files of one exported case: one mask or one per class, in a format, with probabilities."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging import dicom
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.imaging.dicom_seg import encode_segmentation
from napari_transmedseg.imaging.io import write_labels, write_probabilities
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.export_options import Format
from napari_transmedseg.project.project import Project

if TYPE_CHECKING:
    from napari_transmedseg.engine.inference import Predictor

_DICOM: Format = "dicom-seg"
_BACKGROUND = "background"


class MaskWriter:
    """Writes the masks of cases in one format."""

    def __init__(
        self, project: Project, file_format: Format, *, per_class: bool, probabilities: bool
    ) -> None:
        self.project = project
        self._format = file_format
        self._suffix = ".dcm" if file_format == _DICOM else f".{file_format}"
        self._per_class = per_class
        self._probabilities = probabilities
        self._predictors: dict[str, Predictor] = {}

    def check(self, case_id: str, run_id: str | None) -> None:
        """Refuse what cannot be written before anything is.

        Raises
        ------
        ProjectError
        """
        if self._format == _DICOM and not self._is_dicom(case_id):
            raise ProjectError(
                f"Expected cases of DICOM series for DICOM SEG, found that the image of {case_id} "
                "is none; choose another format."
            )
        if self._probabilities and run_id is None:
            raise ProjectError(
                f"Expected a run that predicted {case_id} for its probabilities, found none; "
                "predict first, or export masks only."
            )

    def names(self, case_id: str, run_id: str | None) -> list[str]:
        """Files of a case, the mask first."""
        classes = self._class_slugs.values()
        parts = [f"_{slug}" for slug in classes] if self._per_class else [""]
        names = [f"{case_id}{part}{self._suffix}" for part in parts]
        if self._probabilities and run_id is not None:
            names += [self._probability_name(case_id, slug) for slug in (_BACKGROUND, *classes)]
        return names

    def write(self, folder: Path, case_id: str, run_id: str | None, mask: LabelMap) -> list[str]:
        """Write the files of a case; returns their names."""
        for value, slug in self._class_slugs.items() if self._per_class else ():
            self._write_mask(folder / f"{case_id}_{slug}{self._suffix}", case_id, run_id,
                             self._only(mask, value))  # fmt: skip
        if not self._per_class:
            self._write_mask(folder / f"{case_id}{self._suffix}", case_id, run_id, mask)
        if self._probabilities and run_id is not None:
            self._write_probabilities(folder, case_id, run_id)
        return [name for name in self.names(case_id, run_id) if (folder / name).exists()]

    def _write_mask(self, path: Path, case_id: str, run_id: str | None, mask: LabelMap) -> None:
        if self._format != _DICOM:
            write_labels(path, mask)
        elif mask.array.any() or not self._per_class:
            case = self.project.case(case_id)
            files = dicom.slice_files(self.project.image_path(case_id), case.series, case.frame)
            automatic = run_id is not None
            write_bytes(path, encode_segmentation(mask, files, automatic=automatic))

    def _write_probabilities(self, folder: Path, case_id: str, run_id: str) -> None:
        volume = self.project.volume(case_id)
        prediction = self._predictor(run_id).predict_volume(volume, keep_probabilities=True)
        assert prediction.probabilities_CIPL is not None
        for value, slug in {0: _BACKGROUND, **self._class_slugs}.items():
            path = folder / self._probability_name(case_id, slug)
            write_probabilities(path, prediction.probabilities_CIPL[value], volume.geometry)

    @staticmethod
    def _probability_name(case_id: str, slug: str) -> str:
        return f"{case_id}_{slug}_probability.nii.gz"

    def _predictor(self, run_id: str) -> Predictor:
        from napari_transmedseg.engine.inference import load_predictor

        if run_id not in self._predictors:
            run = self.project.trained_run(run_id)
            self._predictors[run_id] = load_predictor(
                run.require_checkpoint(), run.config.device, run.config.threads
            )
        return self._predictors[run_id]

    @cached_property
    def _class_slugs(self) -> dict[int, str]:
        """Class names as parts of file names, distinct."""
        slugs: dict[int, str] = {}
        for value, name in self.project.class_names.items():
            plain = "".join(mark if mark.isalnum() or mark in "-+." else "_" for mark in name)
            taken = {slug.casefold() for slug in slugs.values()}
            slugs[value] = f"{plain}_{value}" if plain.casefold() in taken else plain
        return slugs

    def _is_dicom(self, case_id: str) -> bool:
        path = self.project.image_path(case_id)
        return bool(self.project.case(case_id).series) or (path.is_file() and dicom.is_dicom(path))

    def _only(self, mask: LabelMap, value: int) -> LabelMap:
        name, color = mask.names.get(value, ""), mask.colors.get(value)
        return LabelMap(
            array=(mask.array == value).astype(np.uint8),
            geometry=mask.geometry,
            names={1: name},
            colors={1: color} if color else {},
        )
