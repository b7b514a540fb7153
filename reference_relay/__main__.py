"""`python -m reference_relay` is the program `reference-relay`."""

import sys

from reference_relay.cli import main

if __name__ == "__main__":
    sys.exit(main())
