"""Service function chains with NSH on Open vSwitch: model, render, prove, change. Start at ``sfc/README.md``."""
