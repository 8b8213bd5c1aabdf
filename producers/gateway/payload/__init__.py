"""What clients send, as models: checked once, then turned into events. Pure."""
