"""Builds the policy's observation from named signals, on the robot and in the simulator."""
