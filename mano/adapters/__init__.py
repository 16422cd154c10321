"""The world behind the ports: stores, workflow engine, VIM drivers and service paths."""
