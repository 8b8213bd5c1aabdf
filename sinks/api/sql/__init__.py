"""SQL over HTTP: one SELECT in a process of its own, which holds the rows of one tenant or of the fleet."""
