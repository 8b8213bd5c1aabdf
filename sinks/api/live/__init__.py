"""What the API remembers: the latest status and score of every agent, and who is told of changes."""
