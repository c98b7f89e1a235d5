"""A folder that is a data set: what a person is told before a project is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.imaging.data_sets import DataSet, read_data_set
from napari_transmedseg.imaging.data_sets.detect import find_layout, layout_in_words
from napari_transmedseg.project.data_set_import import names_in_labels, values_in_labels

_LISTED = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSetOffer:
    """What would come of a data set."""

    folder: Path
    layout: str
    """In words."""
    num_cases: int = 0
    num_labeled: int = 0
    """Cases whose label maps would become annotation."""
    class_names: tuple[str, ...] = ()
    """Its own names of the classes; empty where it has none."""
    channel_names: tuple[str, ...] = ()
    """What its channels are called where every case has several."""
    domains: tuple[str, ...] = ()
    values: tuple[int, ...] = ()
    """What its first label map holds, where the classes have no names."""
    problem: str = ""
    """Why no project can be made of it as it is."""

    def sentence(self) -> str:
        """What it is and holds, for a person."""
        head = f"This folder is a data set ({self.layout})"
        if self.problem:
            return f"{head}, but it cannot be taken as one. {self.problem}"
        cases = "1 case" if self.num_cases == 1 else f"{self.num_cases} cases"
        parts = [f"{head}: {cases}, {self.num_labeled} with labels to take"]
        if self.class_names:
            parts.append(f"classes {_listed(self.class_names)}")
        if self.domains:
            parts.append(f"domains {_listed(self.domains)}")
        if self.channel_names:
            parts.append(f"channels {_listed(self.channel_names)}")
        told = "; ".join(parts) + "."
        if self.values:
            numbers = _listed([str(value) for value in self.values])
            told += f" Its labels {numbers} have no names: name the classes in that order."
        return told


def look_into_data_set(folder: Path) -> DataSetOffer | None:
    """Recognise a data set, and say what is in it; None where a folder is none.

    The first label map is read where the data set does not name its classes.
    """
    layout = find_layout(folder) if folder.is_dir() else None
    if layout is None:
        return None
    words = layout_in_words(layout)
    try:
        data = read_data_set(folder, layout=layout, channel=None)
        if any(not case.images for case in data.cases):
            return None  # slices and arrays, which a project cannot point to
        return _offer(folder, words, data)
    except TransMedSegError as error:
        return DataSetOffer(folder=folder, layout=words, problem=str(error))


def _offer(folder: Path, words: str, data: DataSet) -> DataSetOffer:
    names = data.class_names or names_in_labels(data)
    labeled = [one for one in data.cases if one.load_labels is not None and one.split != "test"]
    return DataSetOffer(
        folder=folder,
        layout=words,
        num_cases=len(data.cases),
        num_labeled=len(labeled),
        class_names=tuple(names),
        channel_names=data.channel_names,
        domains=tuple(sorted({case.domain for case in data.cases if case.domain})),
        values=() if names else values_in_labels(data),
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
