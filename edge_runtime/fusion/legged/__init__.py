"""Estimates a legged robot's motion with a contact-aided invariant Kalman filter."""
