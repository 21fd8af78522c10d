"""Classify many pictures: paths, folders and CSVs, lazily, in order, on several threads."""
