"""Brokers: Apache Kafka or Tansu as a child process on 127.0.0.1, or one that runs elsewhere."""
