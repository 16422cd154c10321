"""The VNF Manager: the life cycle of VNF instances."""
