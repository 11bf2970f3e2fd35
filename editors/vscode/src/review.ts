// Patches and changes in VS Code's own diff editors, one file or many. The texts before and after are
// documents that the server makes and names. Knows nothing of decisions.

import * as path from 'node:path';
import { commands, Uri } from 'vscode';
import type { ChangesList } from './generated';
import type { Caller } from './protocol';
import type { Store } from './store';
import { count } from './text';

/** A file with what it was and what it becomes; one of them is missing where it is made or removed. */
interface Pair {
  readonly file: Uri;
  readonly before: Uri | undefined;
  readonly after: Uri | undefined;
}

export class Review {
  constructor(
    private readonly caller: Caller,
    private readonly store: Store,
  ) {}

  /** Shows a pending patch, or one file of it. */
  async showPatch(approvalId: string, only?: number): Promise<void> {
    const waiting = this.store.waits(approvalId);
    if (waiting === undefined) return;
    const { sessionId } = waiting.session;
    const { documents } = await this.caller.call('autopilot.approval.list', { sessionId });
    const files = documents.find(each => each.approvalId === approvalId)?.files ?? [];
    const pairs = files.map(file => ({
      file: Uri.file(file.path),
      before: file.before === null ? undefined : Uri.parse(file.before),
      after: file.after === null ? undefined : Uri.parse(file.after),
    }));
    const shown = only === undefined ? pairs : pairs.slice(only, only + 1);
    await open(waiting.pending.title, shown, 'proposed');
  }

  /** Shows what was changed without asking: all files, or one. */
  async showChanges(list: ChangesList, uri?: string): Promise<void> {
    const files = new Map<string, Pair>();
    for (const change of list.changes) {
      if (uri !== undefined && change.uri !== uri) continue;
      const file = Uri.parse(change.uri);
      files.set(change.uri, {
        file,
        before: change.kind === 'add' ? undefined : Uri.parse(change.before),
        after: change.kind === 'delete' ? undefined : file,
      });
    }
    await open(`Changes in ${count(files.size, 'file')}`, [...files.values()], 'to review');
  }
}

async function open(title: string, pairs: readonly Pair[], what: string): Promise<void> {
  const [first, ...others] = pairs;
  if (first === undefined) return;
  if (others.length > 0) {
    const resources = pairs.map(({ file, before, after }) => [file, before, after]);
    await commands.executeCommand('vscode.changes', title, resources);
    return;
  }
  const { file, before, after } = first;
  const label = `${path.basename(file.path)} (${what})`;
  if (before !== undefined && after !== undefined) {
    await commands.executeCommand('vscode.diff', before, after, label, { preview: true });
  } else await commands.executeCommand('vscode.open', after ?? before ?? file, { preview: true }, label);
}
