"""A real client of the language server: `nfverify lsp` in a process, over its standard streams."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

WAIT = 30.0  # s, for an answer


class Editor:
    """An editor with a folder open."""

    def __init__(self, folder: Path, client: LanguageClient) -> None:
        self.folder = folder
        self.client = client
        self.found: dict[str, list[lsp.Diagnostic]] = {}
        self.news = asyncio.Condition()
        self.version = 0

        @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def published(params: lsp.PublishDiagnosticsParams) -> None:
            async with self.news:
                self.found[params.uri] = list(params.diagnostics)
                self.news.notify_all()

        @client.feature(lsp.CLIENT_REGISTER_CAPABILITY)
        def register(params: lsp.RegistrationParams) -> None:
            self.watchers = params.registrations

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str | None = None) -> None:
        """Open a file, with unsaved text if there is some."""
        text = (self.folder / name).read_text() if text is None else text
        item = lsp.TextDocumentItem(self.uri(name), "nfd", 0, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def change(self, name: str, text: str) -> None:
        self.version += 1
        document = lsp.VersionedTextDocumentIdentifier(self.version, self.uri(name))
        change = lsp.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(document, [change]))

    def close(self, name: str) -> None:
        self.client.text_document_did_close(lsp.DidCloseTextDocumentParams(self.document(name)))

    def document(self, name: str) -> lsp.TextDocumentIdentifier:
        return lsp.TextDocumentIdentifier(self.uri(name))

    async def messages(
        self, name: str, enough: Callable[[list[lsp.Diagnostic]], bool]
    ) -> list[lsp.Diagnostic]:
        """The diagnostics of a file once they are as `enough` wants them."""
        uri = self.uri(name)
        async with asyncio.timeout(WAIT), self.news:
            await self.news.wait_for(lambda: uri in self.found and enough(self.found[uri]))
            return self.found[uri]


Scene = Callable[[Editor], Awaitable[None]]


@asynccontextmanager
async def editing(folder: Path, encodings: list[str] | None = None) -> AsyncIterator[Editor]:
    client = LanguageClient("test", "1")
    editor = Editor(folder, client)
    await client.start_io(sys.executable, "-m", "nfverify", "lsp", "--stdio")
    general = lsp.GeneralClientCapabilities(position_encodings=encodings)  # type: ignore[arg-type]
    watching = lsp.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
    await client.initialize_async(
        lsp.InitializeParams(
            lsp.ClientCapabilities(
                general=general,
                workspace=lsp.WorkspaceClientCapabilities(did_change_watched_files=watching),
            ),
            root_uri=folder.as_uri(),
            workspace_folders=[lsp.WorkspaceFolder(folder.as_uri(), "test")],
        )
    )
    client.initialized(lsp.InitializedParams())
    process = client._server
    assert process is not None
    try:
        yield editor
        await client.shutdown_async(None)
        client.exit(None)
        async with asyncio.timeout(WAIT):
            code = await process.wait()
    except BaseException:
        process.kill()
        raise
    finally:
        errors = await process.stderr.read() if process.stderr else b""
        await client.stop()
    assert (code, errors.decode()) == (0, "")


def play(folder: Path, scene: Scene, encodings: list[str] | None = None) -> None:
    """An editor opens a folder, the scene is played, and the server ends in order."""

    async def whole() -> None:
        async with editing(folder, encodings) as editor:
            await scene(editor)

    asyncio.run(whole())
