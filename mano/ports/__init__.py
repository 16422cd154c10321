"""The ports: what the use cases ask of the world, as small protocols. Adapters implement them."""
