"""Walks as commanded, with any robot on legs; HumanoidVelocity does so with the humanoid."""
