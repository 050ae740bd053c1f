"""How messages come and go: their names, their bytes, the threads that take and send them."""
