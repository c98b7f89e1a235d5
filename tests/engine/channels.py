"""Cohorts of two channels, of which only the second shows the structures."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.imaging.volume import Volume

NAMES = ("t1", "flair")


def two_channels(case: TrainingCase, names: Sequence[str] = NAMES) -> TrainingCase:
    """The case with a blind first channel: noise about other levels than the second one's."""
    seen = case.load()
    noise = np.random.default_rng(len(case.case_id) + ord(case.case_id[-1]))
    blind = noise.normal(-3000, 500, seen.array.shape).astype(np.float32)
    both = Volume(
        array=blind, further=(seen.array,), geometry=seen.geometry, channel_names=tuple(names)
    )
    return replace(case, load=lambda: both, channels=tuple(names))


def blind(case: TrainingCase) -> TrainingCase:
    """The case with the blind channel alone."""
    volume = two_channels(case).load()
    return replace(case, load=lambda: Volume(array=volume.array, geometry=volume.geometry))
