"""Many images: a folder or a data set purified and classified, here or on a Dask cluster, with tables and a summary."""
