"""Slices as they were before something replaced them, packed: a whole stack takes kilobytes."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

_QUICKLY = 1
"""Level of zlib: label maps shrink hundredfold at any."""


class KeptSlices:
    """Label slices (Y, X) by case and index; the first that is kept of each stays."""

    def __init__(self) -> None:
        self._packed: dict[tuple[str, int], tuple[tuple[int, ...], bytes]] = {}

    def keep(self, case_id: str, index: int, labels_YX: npt.NDArray[np.uint8]) -> None:
        """Keep a slice, unless it was kept before."""
        if (case_id, index) not in self._packed:
            raw = np.ascontiguousarray(labels_YX, np.uint8).tobytes()
            self._packed[case_id, index] = labels_YX.shape, zlib.compress(raw, _QUICKLY)

    def get(self, case_id: str, index: int) -> npt.NDArray[np.uint8] | None:
        """Give a slice back, or None where it was not kept."""
        if (case_id, index) not in self._packed:
            return None
        shape, packed = self._packed[case_id, index]
        return np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)

    def indices(self, case_id: str) -> list[int]:
        """Indices of the kept slices of a case, in order."""
        return sorted(index for case, index in self._packed if case == case_id)

    def clear(self) -> None:
        """Forget all slices."""
        self._packed.clear()

    @property
    def num_bytes(self) -> int:
        """Memory that the slices take."""
        return sum(len(packed) for _, packed in self._packed.values())
