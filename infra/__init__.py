"""What runs the parts: runtime, broker, topic provisioning, supervision, the command line."""
