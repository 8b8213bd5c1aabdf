"""The query API: the latest of every agent from memory, history from the lake, changes as server-sent events."""
