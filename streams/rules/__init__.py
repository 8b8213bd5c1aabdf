"""Rules: what a pack says (YAML, checked), and the engine that judges columns by it."""
