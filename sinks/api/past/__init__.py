"""History: questions to the lake, within a scope and a span of time."""
