"""Shows a robot's model and its moving links, as a robot_state_publisher does."""
