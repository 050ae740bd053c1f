"""Runs cars for a lap: wet patches, side wind, load, sensors that drop out."""
