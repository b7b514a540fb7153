"""`python -m fake_dns` is the program `fake-dns`."""

import sys

from fake_dns.cli import main

if __name__ == "__main__":
    sys.exit(main())
