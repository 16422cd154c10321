"""The VNFM: life-cycle management of VNF instances (SOL003)."""
