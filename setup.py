"""The one part of the build that is not data: the Cython kernels, each with a pure Python twin."""

from pathlib import Path

from setuptools import Extension, setup

# The path through nfverify/, so that a checkout (symlinks) and an sdist (folders) read the same.
KERNELS = ("nfverify/equivalence/rulesets/_kernel.pyx",)


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


setup(ext_modules=extensions())
