"""``python3 -m rootlet.functions DIRECTORY``; by its path it is a little faster, since ``-m`` imports more."""

import sys

if __name__ == "__main__":
    from rootlet.functions._run import main

    sys.exit(main())
