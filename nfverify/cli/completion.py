"""`nfverify completion SHELL`: a script that completes commands, options, files and models."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from importlib.resources import files

SHELLS = ("bash", "zsh", "fish", "tcsh")
_EPILOG = """\
To have it in each new shell:
  bash  nfverify completion bash > ~/.local/share/bash-completion/completions/nfverify
  zsh   nfverify completion zsh > DIR/_nfverify, for a DIR of $fpath
  fish  nfverify completion fish > ~/.config/fish/completions/nfverify.fish
  tcsh  nfverify completion tcsh > ~/.nfverify.tcsh, and `source` it in ~/.tcshrc"""
_MODEL = re.compile(r"MODEL|OLD|NEW|A|B")
_ENDING = re.compile(r"[\w.]*\.(pcap|csv|json|nfd|toml|py|c)(\|FILE\.(py|c))?")
_FOLDER = re.compile(r"DIR|FOLDER")
_FILE = re.compile(r"FILE|CONFIG|PATH|TRACE|SUITE|CERT|VERDICT.*")

# A word like lib:edge is one word, though bash breaks words at colons.
_BASH = """\
COMP_WORDBREAKS=${{COMP_WORDBREAKS//:}}

_nfverify_models_file() {{
  compgen -f -X '!*.nfd' -- "$1"
  compgen -d -- "$1"
  compgen -W '{library}' -- "$1"
}}
"""
_ZSH = """\
_nfverify_models() {{
  _alternative 'files:model:_files -g "*.nfd"' 'library:library:compadd -- {library}'
}}
"""
_FISH = """\
function _nfverify_models
  set -l word (commandline -ct)
  for file in (__fish_complete_path "$word")
    set -l name (string split -m1 \\t -- "$file")[1]
    string match -qr -- '(\\.nfd|/)$' "$name"; and printf '%s\\n' "$name"
  end
  printf '%s\\n' {library}
end
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `completion`."""
    parser = subparsers.add_parser(
        "completion",
        help="print a completion script for a shell",
        description="Print a script with which a shell completes commands, options, files and "
        "models.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=SHELLS, help="bash, zsh, fish or tcsh")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    print(script(args.shell), end="")
    return 0


def script(shell: str) -> str:
    """The script of a shell."""
    import shtab

    from nfverify.cli.main import full_parser

    library = " ".join(f"lib:{name}" for name in _library())
    preamble = {
        "bash": _BASH.format(library=library),
        "zsh": _ZSH.format(library=library),
        "fish": _FISH.format(library=library),
    }
    models = {
        "bash": "_nfverify_models_file",
        "zsh": "_nfverify_models",
        "fish": "(_nfverify_models)",
        "tcsh": "f:*.nfd",
    }
    parser = full_parser()
    for action in _actions(parser):
        kind = _kind(action)
        if kind == "model":
            action.complete = models  # type: ignore[attr-defined]
        elif kind == "folder":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif kind.startswith("."):
            action.complete = shtab.glob(f"*{kind}")  # type: ignore[attr-defined]
        elif kind == "file":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell, preamble=preamble.get(shell, ""))).rstrip() + "\n"


def _library() -> list[str]:
    names = [file.name for file in files("nfverify.models").iterdir()]
    return sorted(name.removesuffix(".nfd") for name in names if name.endswith(".nfd"))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The options and arguments of all commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from command._actions
        else:
            yield action


def _kind(action: argparse.Action) -> str:
    """What stands in the place of an argument, by what its help calls it."""
    name = action.metavar
    if not isinstance(name, str) or action.choices is not None or action.nargs == 0:
        return ""
    if _MODEL.fullmatch(name):
        return "model"
    if ending := _ENDING.fullmatch(name):
        return "file" if ending[2] else f".{ending[1]}"
    if _FOLDER.fullmatch(name):
        return "folder"
    return "file" if _FILE.fullmatch(name) else ""
