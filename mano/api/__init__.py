"""The HTTP interfaces: SOL003, SOL005, networking-sfc and the native one."""
