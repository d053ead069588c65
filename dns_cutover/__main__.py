"""`python -m dns_cutover`."""

from dns_cutover.cli.main import main

main()
