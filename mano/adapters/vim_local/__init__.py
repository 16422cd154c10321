"""A VIM whose NFVI hosts are network namespaces on this machine, each with an Open vSwitch of its own.

Use :class:`mano.adapters.vim_local.driver.LocalVim`; :mod:`mano.adapters.vim_local.cleanup` removes what a killed
process left. Nothing is imported here: the launcher of VNFCs is a module of this package and starts small.
"""
