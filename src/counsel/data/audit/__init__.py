"""What came in, what was done to it and what came out, as numbers, a page and pictures."""
