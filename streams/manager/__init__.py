"""From what rules found to what people are told: a pure core (`core`), and one process around it (`service`)."""
