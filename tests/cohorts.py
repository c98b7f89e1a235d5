"""Small cohorts on disk, and a run whose events were made up, for tests that do not train."""

import math
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.events import (
    DiceReport,
    MonitorReport,
    PhaseChanged,
    StepReport,
    TrainingEvent,
    TrainingFinished,
    TrainingStarted,
)
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import write_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.run import Run

SHAPE_IPL = (8, 20, 24)
GEOMETRY = Geometry.from_spacing((24, 20, 8), (1.5, 1.5, 6.0), orientation="LPS")


def disc_classes(shift: int = 0) -> np.ndarray:
    """(I, P, L): a ring (1) around a core (2), absent on the first and last slice."""
    z, y, x = np.ogrid[tuple(slice(n) for n in SHAPE_IPL)]
    radius = np.hypot(y - 9.5, x - 11.5 - shift) + 0 * z
    inside = (z > 0) & (z < 7)
    ring = np.where(inside & (radius < 7), 1, 0)
    return np.where(inside & (radius < 4), 2, ring).astype(np.uint8)


def save_classes(path: Path, array_IPL: np.ndarray, geometry: Geometry = GEOMETRY) -> Path:
    """Write a label map and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = array_IPL.astype(np.uint8)
    write_labels(path, LabelMap(array=array, geometry=geometry))
    return path


def write_layers(
    path: Path, layers: np.ndarray, names: tuple[str, ...], geometry: Geometry = GEOMETRY
) -> None:
    """3D Slicer's segments of value 1, each in a layer of its own."""
    affine = np.diag([-1, -1, 1, 1]) @ geometry.affine
    vectors = [f"({','.join(map(str, affine[:3, axis]))})" for axis in range(4)]
    lines = ["NRRD0004", "type: unsigned char", "dimension: 4", "space: left-posterior-superior",
             f"sizes: {' '.join(map(str, layers.shape))}",
             f"space directions: none {' '.join(vectors[:3])}", "kinds: list domain domain domain",
             "encoding: raw", f"space origin: {vectors[3]}"]  # fmt: skip
    for number, name in enumerate(names):
        key = f"Segment{number}"
        lines += [f"{key}_Name:={name}", f"{key}_LabelValue:=1", f"{key}_Layer:={number}"]
    path.write_bytes("\n".join([*lines, "", ""]).encode() + layers.T.tobytes())


def make_cohort(folder: Path, num_cases: int = 4, *, suffix: str = "") -> tuple[Path, Path]:
    """Folders of images `case_1`, … and of their label maps, named `case_1<suffix>`."""
    images, labels = folder / "images", folder / "labels"
    images.mkdir(parents=True)
    for number in range(1, num_cases + 1):
        classes = disc_classes(number % 3)
        rng = np.random.default_rng(number)
        intensities = 100 * classes + rng.normal(100, 10, SHAPE_IPL)
        source = GEOMETRY.to_source(intensities.astype(np.float32))
        image = nib.Nifti1Image(source, GEOMETRY.affine)
        image.header.set_xyzt_units("mm")
        nib.save(image, images / f"case_{number}.nii.gz")
        save_classes(labels / f"case_{number}{suffix}.nii.gz", classes)
    return images, labels


def make_project(folder: Path, num_cases: int = 4) -> tuple[Project, Path]:
    """Project `folder/project` of a new cohort, and the folder of its reference label maps."""
    images, labels = make_cohort(folder, num_cases)
    project = Project.create(folder / "project", images=[images], classes=["ring", "core"])
    return project, labels


def made_up_events(run_id: str, num_steps: int = 40) -> Iterator[TrainingEvent]:
    """What a run with two phases would tell."""
    yield TrainingStarted(
        run_id=run_id, device="cpu", network="U-Net", num_labeled_slices=6,
        num_unlabeled_slices=26, notes=("Slices of 20 x 24 pixels.",),
    )  # fmt: skip
    for step in range(num_steps):
        warm = step < num_steps // 2
        supervised = math.exp(-step / 10)
        losses = {"total": 1.5 * supervised, "supervised": supervised}
        if not warm:
            losses |= {"pseudo": 0.3 * supervised, "graph": -0.1, "tsa": 0.2 * supervised}
        yield StepReport(
            step=step, phase="warm-up" if warm else "self-training", progress=step / num_steps,
            losses=losses, learning_rate=1e-3, steps_per_second=4.0, elapsed_s=step * 0.5,
            remaining_s=(num_steps - step) * 0.5, pseudo_label_share=0.0 if warm else 0.9,
            memory_mib=400.0,
        )  # fmt: skip
        if step % 10 == 5:
            dice = {"ring": 1 - supervised, "core": math.nan}
            yield DiceReport(step=step, annotated=dice, held_out={})
    yield PhaseChanged(step=20, phase="self-training", sentence="Self-training began.")
    yield MonitorReport(
        step=30, name="entropy", class_name="core", value=0.7, light="warning",
        sentence="Annotate 2 more slices that show core <here>.",
    )  # fmt: skip
    yield TrainingFinished(
        step=num_steps, reason="budget", elapsed_s=num_steps * 0.5,
        self_training_steps=num_steps // 2, sentence="The budget is spent.",
    )  # fmt: skip


def add_made_up_run(project: Project) -> Run:
    """Run with recorded events, and predictions of every case that are one pixel off."""
    run = project.new_run(TrainingConfig(steps=40))
    for _ in run.record(made_up_events(run.run_id)):
        pass
    for number, case in enumerate(project.cases, start=1):
        geometry = project.geometry(case.case_id)
        array = disc_classes(number % 3 + 1)
        prediction = LabelMap(array=array, geometry=geometry)
        project.save_prediction(run.run_id, case.case_id, prediction)
    return run
