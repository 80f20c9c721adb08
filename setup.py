"""What of the build is not data: the Cython kernels, each with a pure Python twin, and the manual
pages, which are written from the parsers of the command line."""

import sys
from pathlib import Path

from setuptools import Extension, setup

# The path through nfverify/, so that a checkout (symlinks) and an sdist (folders) read the same.
KERNELS = ("nfverify/equivalence/rulesets/_kernel.pyx",)
PAGES = Path("build", "man")


def extensions() -> list[Extension]:
    """Each kernel whose source is here; optional, so that a build without a compiler falls back."""
    return [
        Extension(
            source.removesuffix(".pyx").replace("/", "."),
            [source],
            extra_compile_args=["-O3"],
            optional=True,
        )
        for source in KERNELS
        if Path(source).is_file()
    ]


def pages() -> list[str]:
    """The manual pages, written anew; none if the package can't be imported where it is built."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    try:
        from nfverify.cli import manual

        manual.write(PAGES)
    except Exception as error:
        print(f"note: no manual pages: {error}", file=sys.stderr)
        return []
    finally:
        del sys.path[0]
    return sorted(str(page) for page in PAGES.glob("*.1"))


setup(ext_modules=extensions(), data_files=[("share/man/man1", pages())])
