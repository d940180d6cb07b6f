"""Side-by-side runs against other engines. Not installed; run from the checkout."""
