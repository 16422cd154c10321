"""The native interface: what no ETSI interface has a resource for."""
