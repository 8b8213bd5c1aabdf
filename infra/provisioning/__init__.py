"""Topics as the catalogue wants them: planned, created, compared with what is there."""
