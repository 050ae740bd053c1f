"""Estimates which way is up from an IMU, with VQF."""
