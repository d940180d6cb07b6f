"""``python -m tinyedge``; a worker process imports this without running it."""

from tinyedge.cli import main

if __name__ == "__main__":
    main()
