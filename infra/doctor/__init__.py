"""Is everything here that the pipeline needs, and what to do about what is not."""
