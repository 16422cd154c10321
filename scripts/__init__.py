"""Set-up and checks of the repository, run by the Makefile with a Python that has no packages yet."""
