"""Adapters: what other libraries tell of an agent, to a Reporter. Each module imports its library, this one nothing."""
