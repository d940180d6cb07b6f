"""Small calibration and evaluation data that ships with tinyedge."""
