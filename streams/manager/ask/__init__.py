"""`fleetpulse alerts`: what the alert manager knows, read from its changelog, and what people command it."""
