"""`python -m orbitalreg_oidc_gitlab`."""

from orbitalreg_oidc_gitlab.job import main

main()
