"""The community's data set layouts, each read into a list of cases. Arrays are read on demand."""

from napari_transmedseg.imaging.data_sets.case import DataSet, DataSetCase, ImageFile
from napari_transmedseg.imaging.data_sets.detect import LayoutName, quick_layout, read_data_set

__all__ = ["DataSet", "DataSetCase", "ImageFile", "LayoutName", "quick_layout", "read_data_set"]
