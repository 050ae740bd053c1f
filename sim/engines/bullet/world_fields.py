"""Names the fields of the model in which Bullet's worlds may differ."""

FORCES = (
    "actuator_gainprm",
    "actuator_biasprm",
    "actuator_forcerange",
    "dof_damping",
    "jnt_stiffness",
)
FRICTION = "geom_friction"
AT_RESET = ("body_mass", "body_inertia", "body_ipos", "dof_armature")
"""These take effect from a reset on; the others from the next step on."""
FIELDS = (*FORCES, FRICTION, *AT_RESET)
