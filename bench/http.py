"""x"""


def run() -> None:
    pass
