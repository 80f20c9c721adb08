"""The language server: what editors ask by the Language Server Protocol, answered by the modules
beside this one. Questions are answered one at a time, in a thread of their own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

import nfverify
from nfverify.lsp import answers
from nfverify.lsp.answers import Places
from nfverify.lsp.colours import MODIFIERS, TYPES
from nfverify.lsp.diagnose import Diagnosis, Finding
from nfverify.lsp.positions import Encoding, Lines
from nfverify.lsp.project import Project
from nfverify.lsp.publish import Publisher
from nfverify.lsp.rename import Refused

T = TypeVar("T")
At = Callable[[Places, Project, Path, int], T]
MAX_TEXT = 16 << 20  # characters of an open document
REQUEST_FAILED = -32803


class _Placed(Protocol):
    """The parameters of all questions about a place."""

    text_document: lsp.TextDocumentIdentifier
    position: lsp.Position


class Server(LanguageServer):
    """A server over one project."""

    def __init__(self) -> None:
        full = lsp.TextDocumentSyncKind.Full
        super().__init__("nfverify", nfverify.__version__, text_document_sync_kind=full)
        self.project = Project()
        self.uris: dict[Path, str] = {}  # of open documents, as the editor spells them
        self.texts: dict[Path, str] = {}
        self.worker = ThreadPoolExecutor(1, "nfverify")
        self.ended = False  # has the editor said `shutdown`?
        self.publisher = Publisher(self.show, self.work, self.texts)
        _register(self)

    # Documents --------------------------------------------------------------------------

    def path(self, uri: str) -> Path:
        """The file of a document; of one that has none, a path that no file has."""
        path = to_fs_path(uri) if uri.startswith("file:") else None
        if path is None or "\0" in path or len(path) > 4096:
            return Path("/dev/null/unsaved", uri[:200].replace("/", "_").replace("\0", "_"))
        try:
            return Path(path).resolve()
        except (OSError, RuntimeError):
            return Path(path)

    def uri(self, path: Path) -> str:
        return self.uris.get(path) or from_fs_path(str(path)) or ""

    def put(self, uri: str, text: str) -> None:
        """A document is open and has this text."""
        path = self.path(uri)
        self.uris[path] = uri
        self.texts[path] = text if len(text) <= MAX_TEXT else ""
        self.publisher.changed(path)

    def show(self, path: Path, findings: list[Finding]) -> None:
        found = answers.diagnostics(self.places(), findings)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(self.uri(path), found))

    @property
    def encoding(self) -> Encoding:
        match self.workspace.position_encoding:
            case "utf-8":
                return "utf-8"
            case "utf-32":
                return "utf-32"
            case _:
                return "utf-16"

    def places(self) -> Places:
        return Places(self.encoding, self.uri)

    def folders(self) -> list[Path]:
        """The folders of the workspace; the root of all is none."""
        found = [self.path(uri) for uri in self.workspace.folders]
        if not found and self.workspace.root_path:
            found = [Path(self.workspace.root_path).resolve()]
        return [folder for folder in found if folder != Path("/")]

    # Questions --------------------------------------------------------------------------

    def work(self, do: Callable[[], Diagnosis]) -> Awaitable[Diagnosis]:
        return asyncio.get_running_loop().run_in_executor(self.worker, do)

    async def ask(self, uri: str, question: Callable[[Places, Project, Path], T]) -> T:
        """Ask about a document as it is now, in the worker's thread. What is refused fails."""
        path, places, folders, texts = (
            self.path(uri),
            self.places(),
            self.folders(),
            dict(self.texts),
        )

        def run() -> T:
            self.project.renew(folders, texts)
            return question(places, self.project, path)

        try:
            return await asyncio.get_running_loop().run_in_executor(self.worker, run)
        except Refused as refused:
            raise JsonRpcException(str(refused), REQUEST_FAILED) from None

    async def ask_at(self, params: _Placed, question: At[T]) -> T:
        """Ask about a place in a document."""
        position = params.position

        def run(places: Places, project: Project, path: Path) -> T:
            lines = Lines(project.text(path), places.encoding)
            offset = lines.offset(position.line, position.character)
            return question(places, project, path, offset)

        return await self.ask(params.text_document.uri, run)


def _register(server: Server) -> None:
    """What the server knows to answer."""
    _documents(server)
    _questions(server)
    _edits(server)


def _documents(server: Server) -> None:
    @server.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        options = params.initialization_options
        if isinstance(options, dict) and options.get("solver") is False:
            server.publisher.solver = False

    @server.feature(lsp.INITIALIZED)
    async def initialized(params: lsp.InitializedParams) -> None:
        workspace = server.client_capabilities.workspace
        watching = workspace and workspace.did_change_watched_files
        if not watching or not watching.dynamic_registration:
            return
        watchers = [lsp.FileSystemWatcher(f"**/*.{suffix}") for suffix in ("nfd", "csv")]
        await server.client_register_capability_async(
            lsp.RegistrationParams(
                [
                    lsp.Registration(
                        "nfverify-files",
                        lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES,
                        lsp.DidChangeWatchedFilesRegistrationOptions(watchers),
                    )
                ]
            )
        )

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        server.put(params.text_document.uri, params.text_document.text)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        for change in params.content_changes:
            if isinstance(change, lsp.TextDocumentContentChangeWholeDocument):
                server.put(params.text_document.uri, change.text)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        server.publisher.changed(server.path(params.text_document.uri))

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        path = server.path(params.text_document.uri)
        server.texts.pop(path, None)
        server.publisher.closed(path)
        server.uris.pop(path, None)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def watched(params: lsp.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            server.publisher.changed(server.path(change.uri))

    @server.feature(lsp.SHUTDOWN)
    async def shutdown(params: None) -> None:
        server.publisher.stop()
        server.ended = True


def _questions(server: Server) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    async def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        return await server.ask_at(params, answers.hovered)

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    async def definition(params: lsp.DefinitionParams) -> list[lsp.Location]:
        return await server.ask_at(params, answers.definitions)

    @server.feature(lsp.TEXT_DOCUMENT_REFERENCES)
    async def references(params: lsp.ReferenceParams) -> list[lsp.Location]:
        declarations = params.context.include_declaration
        return await server.ask_at(params, partial(answers.references, declarations=declarations))

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    async def highlight(params: lsp.DocumentHighlightParams) -> list[lsp.DocumentHighlight]:
        return await server.ask_at(params, answers.highlights)

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def symbols(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        return await server.ask(params.text_document.uri, answers.symbols)

    @server.feature(
        lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, lsp.SemanticTokensLegend(TYPES, MODIFIERS)
    )
    async def tokens(params: lsp.SemanticTokensParams) -> lsp.SemanticTokens:
        return await server.ask(params.text_document.uri, answers.tokens)


def _edits(server: Server) -> None:
    triggers = lsp.CompletionOptions(trigger_characters=["[", '"'])

    @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, triggers)
    async def completion(params: lsp.CompletionParams) -> lsp.CompletionList:
        return await server.ask_at(params, answers.proposals)

    kinds = lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix])

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, kinds)
    async def correct(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        found = params.context.diagnostics
        return await server.ask(params.text_document.uri, partial(answers.corrections, found=found))

    @server.feature(lsp.TEXT_DOCUMENT_PREPARE_RENAME)
    async def prepare(params: lsp.PrepareRenameParams) -> lsp.Range | None:
        return await server.ask_at(params, answers.to_rename)

    @server.feature(lsp.TEXT_DOCUMENT_RENAME, lsp.RenameOptions(prepare_provider=True))
    async def rename(params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        return await server.ask_at(params, partial(answers.renamed, name=params.new_name))

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    async def formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        return await server.ask(params.text_document.uri, answers.formatted)


def serve() -> int:
    """Serve one editor over standard input and output, until it says `exit` or goes: 0 if it said
    `shutdown` before, else 1, as the protocol wants it."""
    server = Server()
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what anything prints must not get between the answers
        with suppress(ValueError):  # of pygls, which closes the stream at the end
            server.start_io(stdout=out)
    server.worker.shutdown(cancel_futures=True)
    return 0 if server.ended else 1
