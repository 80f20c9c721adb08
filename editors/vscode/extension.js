// Starts `nfverify lsp` for models, and again when asked to.
'use strict';

const vscode = require('vscode');
const { LanguageClient } = require('vscode-languageclient/node');

let client;

async function start() {
  const settings = vscode.workspace.getConfiguration('nfverify');
  const [command, ...before] = settings.get('command', ['nfverify']);
  const server = { command: command || 'nfverify', args: [...before, 'lsp', '--stdio'] };
  client = new LanguageClient('nfverify', 'nfverify', server, {
    documentSelector: [
      { scheme: 'file', language: 'nfd' },
      { scheme: 'untitled', language: 'nfd' },
      { scheme: 'file', language: 'csv', pattern: '**/*.csv' },
    ],
    initializationOptions: { solver: settings.get('solver', true) },
  });
  try {
    await client.start();
  } catch (error) {
    vscode.window.showErrorMessage(
      `nfverify could not be started: ${error.message}. ` +
        "Install it by pip install 'nfverify[editor]', or set nfverify.command.",
    );
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running) {
    await running.stop();
  }
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand('nfverify.restart', async () => {
      await stop();
      await start();
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
