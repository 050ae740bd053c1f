"""Shows the simulated robot to ROS as hardware would appear; the only room here that needs the
simulator."""
