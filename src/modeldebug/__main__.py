"""`python -m modeldebug` is the same program as `modeldebug`."""

from .cli import main

main()
