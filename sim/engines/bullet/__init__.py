"""Runs PyBullet as a second engine: N worlds in several processes."""
