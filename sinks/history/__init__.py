"""`fleetpulse alerts history`: what happened to alerts, and every attempt to tell somebody, as the lake has it."""
