"""Estimates the attitude from an IMU, with VQF."""
