"""Makes what a robot needs beside a policy to go on learning: its learner kit."""
