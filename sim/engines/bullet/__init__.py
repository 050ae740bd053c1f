"""PyBullet as a second engine: N worlds shared among processes."""
