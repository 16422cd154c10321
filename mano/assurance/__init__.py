"""Assurance: who is told of what (subscriptions), what is wrong (faults), how much is used (performance, metering).

NFVO and VNFM offer the same of it, so it belongs to neither and imports neither.
"""
