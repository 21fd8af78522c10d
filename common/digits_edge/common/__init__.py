"""Shared by the rooms that run on a workstation: atomic folders, progress, numerics, tables, Keras helpers."""
