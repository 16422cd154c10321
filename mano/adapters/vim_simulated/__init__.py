"""A VIM in which nothing runs: the same contract as the local one, without root."""

from mano.adapters.vim_simulated.driver import SimulatedVim

__all__ = ["SimulatedVim"]
