"""Governance over the whole fleet: violations by pages, policies, and which agents are governed at all."""
