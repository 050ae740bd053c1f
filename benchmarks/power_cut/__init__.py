"""Cuts the power of a recorded disk at any point, and looks whether what was kept survives."""
