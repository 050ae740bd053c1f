"""Makes and judges policies, off the robot."""

import os

# Physics and learning take turns on the same cores. OpenMP's threads would by default spin for a
# while after each piece of work, which takes the cores from the physics (and from everything else
# on a busy machine: there it made training up to ten times slower). Read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
