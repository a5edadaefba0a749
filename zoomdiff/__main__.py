"""`python -m zoomdiff`."""

from zoomdiff.cli import main

main()
