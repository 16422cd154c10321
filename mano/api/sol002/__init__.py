"""Ve-Vnfm (ETSI GS NFV-SOL 002): what an element manager finds at the VNFM besides what SOL003 has too."""
