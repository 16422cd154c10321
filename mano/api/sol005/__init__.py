"""SOL005: what the NFVO offers the OSS/BSS."""
