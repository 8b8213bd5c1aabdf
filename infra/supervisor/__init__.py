"""`fleetpulse up`: starts the processes of the whole system, shows them, stops them in the order of the flow."""
