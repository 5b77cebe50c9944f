"""Writers of rendered series in the layouts of data sets."""
