"""`python -m orbitalreg`."""

from orbitalreg.cli import main

main()
