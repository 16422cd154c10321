"""SOL003: what VNFM and NFVO offer each other."""
