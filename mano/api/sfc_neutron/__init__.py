"""OpenStack's networking-sfc API, and of Neutron what its client needs: ``/v2.0``."""
