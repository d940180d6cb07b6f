"""How fast a comparison goes with more workers, and what memory more images take."""
