"""Time and memory of a volume of 1024×1024×600 int16: opening, scrolling, exporting.

Beside nibabel's and SimpleITK's own reading of the same files. Each step runs in a process of its
own, so that memory is that step's alone; the largest resident size is reported, and what of it
is no file mapped into memory (anonymous).

    python benchmarks/large_volume.py [--shape X Y Z] [--folder DIR]
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (1024, 1024, 600)
NUM_SLICES = 60
STEPS = {
    "ours, open .nii": ("open_ours", "ct.nii"),
    "ours, .nii.gz, first time": ("open_ours", "ct.nii.gz"),
    "ours, .nii.gz, again": ("open_ours", "ct.nii.gz"),
    "ours, .nrrd (raw)": ("open_ours", "ct.nrrd"),
    "nibabel, .nii, mapped": ("open_nibabel", "ct.nii"),
    "nibabel, .nii.gz": ("open_nibabel", "ct.nii.gz"),
    "SimpleITK, .nii": ("open_simpleitk", "ct.nii"),
    "SimpleITK, .nii.gz": ("open_simpleitk", "ct.nii.gz"),
    "ours, mask to .nii.gz": ("export_ours", "ct.nii"),
    "ours, mask to .seg.nrrd": ("export_segmentation", "ct.nii"),
    "nibabel, mask to .nii.gz": ("export_nibabel", "ct.nii"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=SHAPE)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--step", nargs=2)
    chosen = parser.parse_args()
    if chosen.step:
        print(json.dumps(globals()[chosen.step[0]](Path(chosen.step[1]))))
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        make(folder, tuple(chosen.shape))
        print_table(folder)


def make(folder: Path, shape: tuple[int, int, int]) -> None:
    """A noisy sphere, written plane by plane."""
    header = nib.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(np.int16)
    header.set_sform(np.diag([-0.4, -0.4, 0.5, 1.0]), code=1)
    header.set_qform(np.diag([-0.4, -0.4, 0.5, 1.0]), code=1)
    header.set_xyzt_units("mm")
    header["vox_offset"] = 352
    text = (
        "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {' '.join(map(str, shape))}\nspace directions: (0.4,0,0) (0,0.4,0) (0,0,0.5)\n"
        "kinds: domain domain domain\nendian: little\nencoding: raw\nspace origin: (0,0,0)\n\n"
    )
    starts = {
        "ct.nii": header.binaryblock + bytes(4),
        "ct.nii.gz": header.binaryblock + bytes(4),
        "ct.nrrd": text.encode(),
    }
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(opened(folder / name)) for name in starts]
        for file, start in zip(files, starts.values(), strict=True):
            file.write(start)
        for plane in planes(shape):
            for file in files:
                file.write(plane.tobytes())


def opened(path: Path):
    return gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb")


def planes(shape: tuple[int, int, int]):
    rng = np.random.default_rng(0)
    noise = rng.integers(-20, 20, (shape[1], shape[0])).astype(np.int16)
    y, x = np.ogrid[-1 : 1 : shape[1] * 1j, -1 : 1 : shape[0] * 1j]
    for z in np.linspace(-1, 1, shape[2]):
        yield (np.where(x**2 + y**2 + z**2 < 0.6, 60, -900) + np.roll(noise, int(z * 99))).astype(
            np.int16
        )


def open_ours(path: Path) -> dict[str, float]:
    from napari_transmedseg.imaging.io import read_volume

    with timed() as times:
        volume = read_volume(path)
    return times | scroll(lambda k: volume.array[k], volume.array.shape[0])


def open_nibabel(path: Path) -> dict[str, float]:
    with timed() as times:
        array = np.asanyarray(nib.load(path).dataobj)
    return times | scroll(lambda k: array[..., k], array.shape[2])


def open_simpleitk(path: Path) -> dict[str, float]:
    import SimpleITK as sitk

    with timed() as times:
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    return times | scroll(lambda k: array[k], array.shape[0])


@contextlib.contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Wall and CPU time of a block in seconds; on a busy machine the latter is the fairer."""
    times: dict[str, float] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield times
    times["wall"], times["cpu"] = time.perf_counter() - wall, time.process_time() - cpu


def scroll(cut, count: int) -> dict[str, float]:
    """Median time of taking one slice out, over slices that are spread over the stack."""
    times = []
    for index in np.linspace(0, count - 1, NUM_SLICES).astype(int):
        start = time.perf_counter()
        np.array(cut(index), order="C", copy=True)  # a view of a mapped file would read nothing
        times.append(time.perf_counter() - start)
    return {"slice": float(np.median(times))}


def export_ours(path: Path, suffix: str = ".nii.gz") -> dict[str, float]:
    from napari_transmedseg.imaging.io import open_image, write_labels
    from napari_transmedseg.imaging.volume import LabelMap

    mask = LabelMap.empty(open_image(path).geometry, known=True)
    mask.array[100:400, 200:800, 300:700] = 1
    with timed() as times:
        write_labels(path.with_name(f"mask{suffix}"), mask)
    return times


def export_segmentation(path: Path) -> dict[str, float]:
    return export_ours(path, ".seg.nrrd")


def export_nibabel(path: Path) -> dict[str, float]:
    image = nib.load(path)
    mask = np.zeros(image.shape, np.uint8, order="F")
    mask[300:700, 200:800, 100:400] = 1
    with timed() as times:
        nib.save(nib.Nifti1Image(mask, image.affine), path.with_name("other.nii.gz"))
    return times


def print_table(folder: Path) -> None:
    print("| what | time, s | of it CPU, s | a slice, ms | most memory, MB | anonymous, MB |")
    print("|---|---|---|---|---|---|")
    for title, (step, name) in STEPS.items():
        found, most, anonymous = measured(folder, step, folder / name)
        cut = f"{1000 * found['slice']:.1f}" if "slice" in found else ""
        times = f"{found['wall']:.2f} | {found['cpu']:.2f} | {cut}"
        print(f"| {title} | {times} | {most:.0f} | {anonymous:.0f} |", flush=True)


def measured(folder: Path, step: str, path: Path) -> tuple[dict[str, float], float, float]:
    """Result of a step, and its largest resident and anonymous memory in MB."""
    environment = os.environ | {"TRANSMEDSEG_CACHE": str(folder / "cache")}
    command = [sys.executable, __file__, "--step", step, str(path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    most = anonymous = 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        most = max(most, kilobytes(fields, "VmRSS"))
        anonymous = max(anonymous, kilobytes(fields, "RssAnon"))
        time.sleep(0.02)
    output, _ = process.communicate()
    return json.loads(output), most / 1024, anonymous / 1024


def kilobytes(fields: dict[str, str], key: str) -> float:
    return float(fields[key].split()[0]) if key in fields else 0.0


if __name__ == "__main__":
    main()
