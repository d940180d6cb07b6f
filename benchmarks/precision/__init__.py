"""What mixed precision gives on each board, on photos that no choice was made on."""
