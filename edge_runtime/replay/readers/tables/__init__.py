"""Reads recordings that are named columns: text, MATLAB, HDF5, NumPy, EuRoC."""
