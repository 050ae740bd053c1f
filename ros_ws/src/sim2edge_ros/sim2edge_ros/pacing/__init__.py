"""When the control loop ticks: in real time, or by simulated time."""
