"""What commands a robot, and who: to its actuators, and from the operator."""
