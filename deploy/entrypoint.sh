#!/bin/bash
# Makes ROS and the nodes known, then becomes what was asked for, so that signals reach it.
set -e
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /opt/sim2edge_ros/setup.bash
exec "$@"
