"""Measures a store of experience beside the control loop."""
