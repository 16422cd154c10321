"""The command line `mano`."""
