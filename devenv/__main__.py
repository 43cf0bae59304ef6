"""Where the command begins: `devenv`, and `python -m devenv`."""


def main() -> None:
    """Run the command line. Ctrl-C while it is still being imported ends as quietly as later."""
    try:
        from devenv.cli import main as command

        command()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
