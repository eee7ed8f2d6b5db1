"""Examples in, TFRecords with a manifest out: see `pipelines.data.prepare`."""
