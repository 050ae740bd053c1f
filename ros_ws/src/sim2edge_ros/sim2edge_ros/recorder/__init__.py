"""Records ROS 2 topics as MCAP bags: bounded on disk, and readable after a power cut."""
