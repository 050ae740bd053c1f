"""Moves the robots: MuJoCo and PyBullet behind one interface."""
