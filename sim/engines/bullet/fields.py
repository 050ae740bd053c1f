"""Fields of the model that Bullet's worlds may differ in."""

FORCES = (
    "actuator_gainprm",
    "actuator_biasprm",
    "actuator_forcerange",
    "dof_damping",
    "jnt_stiffness",
)
FRICTION = "geom_friction"
AT_RESET = ("body_mass", "body_inertia", "body_ipos", "dof_armature")
"""Count from a reset on; the others from the next step on."""
FIELDS = (*FORCES, FRICTION, *AT_RESET)
