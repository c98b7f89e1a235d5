"""The community's data set layouts, each read into a list of cases. Arrays are read on demand."""

from napari_transmedseg.imaging.data_sets.case import DataSet, DataSetCase
from napari_transmedseg.imaging.data_sets.detect import read_data_set

__all__ = ["DataSet", "DataSetCase", "read_data_set"]
