"""Which label map belongs to which case: paired by names, usual suffixes, or a pattern."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_transmedseg.errors import ConfigError, ImageReadError, ProjectError
from napari_transmedseg.imaging.data_sets.names import LABEL_SUFFIXES, without_suffixes
from napari_transmedseg.imaging.dicom import find_series, is_segmentation
from napari_transmedseg.imaging.io import case_id_of, find_images

__all__ = ["LABEL_SUFFIXES", "Pairing", "find_label_maps", "pair_label_maps", "split_labels"]

CASE_PLACEHOLDER = "{case}"
KNOWN_SUFFIX = ".known"
UNCERTAINTY_SUFFIX = ".uncertainty"
_NO_LABELS = (KNOWN_SUFFIX, UNCERTAINTY_SUFFIX)
LABEL_FOLDERS = ("labels", "label", "masks", "mask", "segmentations", "annotations", "gt")
_CHANNEL = re.compile(r"_0000$")  # nnU-Net's first channel
_LISTED = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairing:
    """Label maps of a folder and the cases that they belong to."""

    found: dict[str, Path]
    """By case id."""
    without_case: tuple[str, ...] = ()
    """Names of label maps that belong to no case."""
    without_labels: tuple[str, ...] = ()
    """Ids of cases without a label map."""

    def sentences(self) -> tuple[str, ...]:
        """Say in plain words what has no partner."""
        said = []
        if self.without_case:
            said.append(f"No case for the label maps {_listed(self.without_case)}.")
        if self.without_labels:
            said.append(f"No label map for the cases {_listed(self.without_labels)}.")
        return tuple(said)


def pair_label_maps(
    path: Path,
    case_ids: Sequence[str],
    *,
    pattern: str = CASE_PLACEHOLDER,
    images: Iterable[Path] = (),
) -> Pairing:
    """Pair the label maps in a folder (or one file) with cases.

    A pattern is followed to the letter. Without one, a label map has its case's name, with
    or without a usual suffix; the exact name goes first.

    Parameters
    ----------
    path, pattern
        As for `find_label_maps`.
    case_ids
        Cases of the project.
    images
        Images of the project, which are no label maps of it.

    Raises
    ------
    ImageReadError, ProjectError, ConfigError
        As `find_label_maps`.
    """
    if pattern != CASE_PLACEHOLDER:
        found = find_label_maps(path, pattern=pattern)
        paired = {case_id: file for case_id, file in found.items() if case_id in set(case_ids)}
        strays = sorted(set(found) - set(paired))
    else:
        own = {os.path.realpath(image) for image in images}
        files = [file for file in _label_files(path) if os.path.realpath(file) not in own]
        paired, strays = _by_usual_names(files, case_ids)
    missing = tuple(case_id for case_id in case_ids if case_id not in paired)
    return Pairing(
        found=paired, without_case=tuple(strays), without_labels=missing if paired else ()
    )


def split_labels(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Part the files of a folder into images and what is named like their label maps."""
    stems: dict[str, int] = {}
    for file in files:
        stem = case_id_of(file).casefold()
        stems[stem] = stems.get(stem, 0) + 1
    labels = [file for file in files if _is_label_of_another(file, stems)]
    if len(labels) == len(files):  # a folder of nothing but masks is what the person means
        return list(files), []
    return [file for file in files if file not in labels], labels


def find_label_maps(path: Path, *, pattern: str = CASE_PLACEHOLDER) -> dict[str, Path]:
    """Label maps in a folder (or one file) by the case id that they belong to.

    Parameters
    ----------
    path
        A folder that is searched, or one label map.
    pattern
        How a file is named after its case, without suffixes: ``{case}_gt`` pairs
        ``patient001_gt.nii.gz`` with the case ``patient001``. Files that do not fit
        are left aside.

    Raises
    ------
    ImageReadError
        Where the path does not exist.
    ProjectError
        Where no file fits, or two files claim one case.
    ConfigError
        Where the pattern does not name the case exactly once.
    """
    fits = _compile(pattern)
    found: dict[str, Path] = {}
    for file in _label_files(path):
        match = fits.fullmatch(case_id_of(file))
        if match is None:
            continue
        case_id = match["case"]
        if case_id in found:
            raise _two_for_one(case_id, found[case_id], file)
        found[case_id] = file
    if not found:
        raise ProjectError(
            f"Expected label maps named '{pattern}' in {path}, found none; check the folder or "
            "give the pattern that its files follow."
        )
    return found


def _label_files(path: Path) -> list[Path]:
    """Files that may be label maps: images, and DICOM SEG by its own kind."""
    if not path.exists():
        raise ImageReadError(
            f"Expected label maps at {path}, found no such file or folder; check the path."
        )
    if path.is_dir():
        series = [one for one in find_series(path) if one.is_segmentation]
        files = find_images([path]) + [file for one in series for file in one.files]
    else:
        files = [path] if is_segmentation(path) else find_images([path])
    return [file for file in files if not case_id_of(file).endswith(_NO_LABELS)]


def _by_usual_names(
    files: Sequence[Path], case_ids: Sequence[str]
) -> tuple[dict[str, Path], list[str]]:
    ids = {_CHANNEL.sub("", case_id).casefold(): case_id for case_id in case_ids}
    ids |= {case_id.casefold(): case_id for case_id in case_ids}
    paired: dict[str, Path] = {}
    exact: set[str] = set()
    strays = []
    for file in files:
        stem = case_id_of(file).casefold()
        case_id = ids.get(stem) or next(
            (ids[short] for short in without_suffixes(stem) if short in ids), None
        )
        if case_id is None:
            strays.append(case_id_of(file))
        elif case_id not in paired or (stem in ids and case_id not in exact):
            paired[case_id] = file
        elif stem in ids or case_id not in exact:
            raise _two_for_one(case_id, paired[case_id], file)
        if case_id is not None and stem in ids:
            exact.add(case_id)
    return paired, strays


def _is_label_of_another(file: Path, stems: dict[str, int]) -> bool:
    if "derivatives" in file.parts:  # BIDS keeps there what was made from the images
        return True
    stem = case_id_of(file).casefold()
    if any(short in stems for short in without_suffixes(stem)):
        return True
    return file.parent.name.casefold() in LABEL_FOLDERS and stems[stem] > 1


def _two_for_one(case_id: str, first: Path, second: Path) -> ProjectError:
    return ProjectError(
        f"Expected one label map per case, found two for '{case_id}': {first} and {second}; move "
        "one away or give a pattern that tells them apart."
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _compile(pattern: str) -> re.Pattern[str]:
    stem = case_id_of(Path(pattern))
    if stem.count(CASE_PLACEHOLDER) != 1:
        raise ConfigError(
            f"Expected a pattern with {CASE_PLACEHOLDER} in it once, such as '{{case}}_gt', "
            f"found '{pattern}'; write it that way."
        )
    before, after = stem.split(CASE_PLACEHOLDER)
    return re.compile(re.escape(before) + r"(?P<case>.+)" + re.escape(after))
