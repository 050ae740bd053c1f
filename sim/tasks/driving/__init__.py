"""VehicleTrack: drives closed tracks fast without leaving them."""
