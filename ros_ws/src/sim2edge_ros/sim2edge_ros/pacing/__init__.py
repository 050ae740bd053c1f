"""Decides when the control loop ticks: in real time or in simulated time."""
