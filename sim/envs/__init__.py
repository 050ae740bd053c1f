"""Steps a task on N simulations, behind Gymnasium's interfaces."""
