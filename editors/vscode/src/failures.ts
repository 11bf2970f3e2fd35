// Says that something went wrong, with what to do about it. Knows nothing of what was tried.

import { commands, window, workspace } from 'vscode';
import { ServerError } from './protocol';
import { withoutLinks } from './text';

export function failed(error: unknown): void {
  if (error instanceof ServerError && error.code === 'unsaved-documents') {
    void unsaved(error);
    return;
  }
  const text = error instanceof Error ? error.message : String(error);
  void window.showErrorMessage(withoutLinks(`Autopilot: ${text}`));
}

/** The task waits in the server until everything is saved. */
async function unsaved(error: ServerError): Promise<void> {
  const text = withoutLinks(`Autopilot: ${error.message}`);
  if ((await window.showWarningMessage(text, 'Save All')) !== undefined) await workspace.saveAll(false);
}

/** Runs a command of ours and shows what goes wrong in it. */
export function guarded<A extends unknown[]>(run: (...args: A) => unknown): (...args: A) => Promise<void> {
  return async (...args) => {
    try {
      await run(...args);
    } catch (error) {
      failed(error);
    }
  };
}

export async function focus(view: string): Promise<void> {
  await commands.executeCommand(`${view}.focus`);
}
