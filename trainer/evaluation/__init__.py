"""Measuring networks and data sets, and the pages that show the results."""
