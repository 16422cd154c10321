"""The NFVO: catalogue, network services, granting and forwarding graphs (SOL005)."""
