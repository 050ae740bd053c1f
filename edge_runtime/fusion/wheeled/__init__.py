"""Estimates a wheeled robot's motion with an error-state Kalman filter."""
