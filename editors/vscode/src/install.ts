// Says how to install the server where it is missing. Knows nothing of how it is looked for.

import { commands, env, window } from 'vscode';

const COMMAND = "pip install 'autopilot-ls[codex]'";

export async function help(): Promise<void> {
  const terminal = 'Terminal';
  const copy = 'Copy';
  const settings = 'Settings';
  const text = `The server is installed into your Python environment, or anywhere on the PATH, by: ${COMMAND}`;
  const choice = await window.showInformationMessage(text, terminal, copy, settings, 'Look Again');
  if (choice === terminal) {
    const shell = window.createTerminal('Autopilot');
    shell.show();
    // Not run: what is installed into which environment is the person's to see first.
    shell.sendText(COMMAND, false);
  }
  if (choice === copy) await env.clipboard.writeText(COMMAND);
  if (choice === settings) {
    await commands.executeCommand('workbench.action.openSettings', 'autopilot.server.command');
  }
  if (choice === 'Look Again') await commands.executeCommand('autopilot.restart');
}
