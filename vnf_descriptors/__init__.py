"""Read, check and build ETSI NFV descriptors and packages (GS NFV-SOL 001, GS NFV-SOL 004)."""
