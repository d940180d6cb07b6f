"""Sets that `tinyedge calib` chooses against random draws; see `__main__`."""
