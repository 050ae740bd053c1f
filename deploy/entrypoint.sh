#!/bin/bash
# Sets up ROS and the nodes, then replaces itself by the command, so that signals reach it.
set -e
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /opt/sim2edge_ros/setup.bash
exec "$@"
