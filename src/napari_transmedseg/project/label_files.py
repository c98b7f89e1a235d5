"""Which label map belongs to which case: paired by case id, with an optional name pattern."""

import re
from pathlib import Path

from napari_transmedseg.errors import ConfigError, ImageReadError, ProjectError
from napari_transmedseg.imaging.io import case_id_of, find_images

CASE_PLACEHOLDER = "{case}"
KNOWN_SUFFIX = ".known"


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
    if not path.exists():
        raise ImageReadError(
            f"Expected label maps at {path}, found no such file or folder; check the path."
        )
    fits = _compile(pattern)
    found: dict[str, Path] = {}
    for file in find_images([path]):
        match = fits.fullmatch(case_id_of(file))
        if match is None or case_id_of(file).endswith(KNOWN_SUFFIX):
            continue
        case_id = match["case"]
        if case_id in found:
            raise ProjectError(
                f"Expected one label map per case, found two for '{case_id}': {found[case_id]} "
                f"and {file}; move one away or give a pattern that tells them apart."
            )
        found[case_id] = file
    if not found:
        raise ProjectError(
            f"Expected label maps named '{pattern}' in {path}, found none; check the folder or "
            "give the pattern that its files follow."
        )
    return found


def _compile(pattern: str) -> re.Pattern[str]:
    stem = case_id_of(Path(pattern))
    if stem.count(CASE_PLACEHOLDER) != 1:
        raise ConfigError(
            f"Expected a pattern with {CASE_PLACEHOLDER} in it once, such as '{{case}}_gt', "
            f"found '{pattern}'; write it that way."
        )
    before, after = stem.split(CASE_PLACEHOLDER)
    return re.compile(re.escape(before) + r"(?P<case>.+)" + re.escape(after))
