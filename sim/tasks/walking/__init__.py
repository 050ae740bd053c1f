"""HumanoidVelocity: walks as commanded."""
