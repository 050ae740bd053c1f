"""Identifies how a robot differs from its model, by how it moves under its policy."""
