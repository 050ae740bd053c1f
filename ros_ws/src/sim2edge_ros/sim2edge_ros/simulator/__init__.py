"""The simulated robot as hardware looks from ROS; the only part here that needs the simulator."""
