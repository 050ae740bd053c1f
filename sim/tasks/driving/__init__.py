"""Drives closed tracks fast without leaving them, as VehicleTrack."""
