"""Our own pipeline: lag, rates, the health of its parts, and dead letters with their replay."""
