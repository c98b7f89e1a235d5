"""A row of ones and zeros per class."""

import pytest
import torch

from napari_transmedseg.engine.one_hot import one_hot_rows


@pytest.mark.parametrize("labels_dtype", [torch.int64, torch.uint8, torch.int16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_row_marks_its_class_and_other_values_mark_nothing(labels_dtype, dtype):
    labels = torch.tensor([[0, 2, 1], [2, 3, 200]], dtype=labels_dtype)
    rows = one_hot_rows(labels, 3, dtype)
    assert rows.dtype == dtype
    assert rows.tolist() == [[1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0, 1, 0, 1, 0, 0]]


def test_unknown_voxels_mark_nothing():
    assert not one_hot_rows(torch.tensor([-1, -100]), 4, torch.float32).any()
