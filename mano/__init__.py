"""Catena, an ETSI NFV MANO system: NFVO, VNFM, placement, adapters, API and command line."""
