"""How something went over time, by whatever agents can be grouped by, over any range."""
