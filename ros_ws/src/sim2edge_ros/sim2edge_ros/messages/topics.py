"""Names the topics and their quality of service, as the ROS ecosystem does.

All names are relative, so that a namespace or a remapping applies to them.
"""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

# sensor_msgs/Imu: with an orientation, and without one (REP-145); either is read.
IMU, IMU_RAW = "imu/data", "imu/data_raw"
JOINTS = "joint_states"  # sensor_msgs/JointState, as the joint_state_broadcaster publishes it
# Geometry_msgs/WrenchStamped, as the force_torque_sensor_broadcaster publishes it
FOOT = "{}/wrench"
SCAN = "scan"  # sensor_msgs/LaserScan
FIX = "fix"  # sensor_msgs/NavSatFix
FIX_VELOCITY = "fix_velocity"  # geometry_msgs/TwistWithCovarianceStamped, east-north-up
CMD_VEL = "cmd_vel"  # geometry_msgs/Twist or TwistStamped
ODOMETRY = "odometry/filtered"  # nav_msgs/Odometry
CORRECTED_ODOMETRY = "odometry/corrected"  # nav_msgs/Odometry
TF, TF_STATIC = "/tf", "/tf_static"  # tf2_msgs/TFMessage
MODEL = "robot_description"  # std_msgs/String
DIAGNOSTICS = "/diagnostics"  # diagnostic_msgs/DiagnosticArray
CLOCK = "/clock"
# Topics of the controllers that come with ros2_control.
POSITION = "forward_position_controller/commands"  # std_msgs/Float64MultiArray, rad
VELOCITY = "forward_velocity_controller/commands"  # rad/s
STIFFNESS = "forward_stiffness_controller/commands"  # Nm/rad
DAMPING = "forward_damping_controller/commands"  # Nm s/rad
TRAJECTORY = "joint_trajectory_controller/joint_trajectory"  # trajectory_msgs/JointTrajectory
ACKERMANN = "ackermann_steering_controller/reference"  # geometry_msgs/TwistStamped
MOVING = (POSITION, VELOCITY, TRAJECTORY, ACKERMANN)
COMMANDING = (*MOVING, STIFFNESS, DAMPING)  # a node that publishes one of these commands the robot

# Best effort, as SensorDataQoS, but deep enough for an IMU that is read in bursts.
SENSOR = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=32, reliability=ReliabilityPolicy.BEST_EFFORT
)
# What the controllers and broadcasters of ros2_control use.
COMMAND = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE
)
STATE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE
)
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
