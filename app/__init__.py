"""Processes: the server, the worker and the command line. Only here is the environment read."""
