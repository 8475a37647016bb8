"""Environments; see :func:`qmix_edu.make_env`."""
