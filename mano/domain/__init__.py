"""The domain: frozen values and life-cycle tables, pure."""
