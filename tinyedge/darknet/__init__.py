"""What Darknet wrote: its .cfg and .weights files, read faithfully."""
