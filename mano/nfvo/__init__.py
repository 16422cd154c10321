"""The NFV Orchestrator: catalogue, network service life cycle, granting and forwarding graphs."""
