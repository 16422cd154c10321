"""tosca-parser, and the fence around it. The only place that knows it."""
