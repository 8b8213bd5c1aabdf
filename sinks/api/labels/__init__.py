"""What a file says of agents that they do not say of themselves: departments, owners, places in the 3D view."""
