"""What a Kafka topic carries and where it comes from: agents, host probes, simulated fleets."""
