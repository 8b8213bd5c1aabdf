"""The alert manager: from what rules found to what people are told. Pure core (`core`), one process around it (`service`)."""
