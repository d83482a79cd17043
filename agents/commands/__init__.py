"""The commands of `dure`, one module each."""
