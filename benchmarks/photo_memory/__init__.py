"""What the largest images cost in memory."""
