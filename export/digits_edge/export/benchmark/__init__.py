"""Measure model files with every installed runtime, and recommend one."""
