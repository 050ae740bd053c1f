"""Attitude from an IMU, with VQF."""
