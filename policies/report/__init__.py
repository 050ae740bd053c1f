"""Shows an evaluation as one HTML page that a researcher can send to a colleague."""
