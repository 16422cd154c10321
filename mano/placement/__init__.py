"""Where the VDUs of a network service go: a pure engine over an inventory and a request."""
