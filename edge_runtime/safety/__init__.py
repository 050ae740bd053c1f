"""Compares each tick with the declared rules, and says what the robot does instead."""
