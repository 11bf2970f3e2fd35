// Patches and changes in VS Code's own diff editors. The texts before and after are documents that the
// server makes. Knows nothing of decisions.

import * as path from 'node:path';
import { commands, Uri } from 'vscode';
import type { ChangesList, ChangeShown, FileChange } from './generated';
import type { Store } from './store';
import { count } from './text';

/** A file with what it was and what it becomes; one of them is missing where it is made or removed. */
interface Pair {
  readonly file: Uri;
  readonly before: Uri | undefined;
  readonly after: Uri | undefined;
}

export class Review {
  constructor(private readonly store: Store) {}

  /** Shows a pending patch: one file in a diff editor, several in the one for many. */
  async showPatch(approvalId: string, only?: number): Promise<void> {
    const approval = this.store.approval(approvalId);
    if (approval === undefined) return;
    const pairs = approval.files.map((file, index) => pairOf(approvalId, file, index));
    const title = this.store.waits(approvalId)?.pending.title ?? 'Proposed change';
    await open(title, only === undefined ? pairs : pairs.slice(only, only + 1), 'proposed');
  }

  /** Shows what was changed without asking: all files, or one. */
  async showChanges(list: ChangesList, uri?: string): Promise<void> {
    const pairs = filesOf(list).filter(each => uri === undefined || each.file.toString() === uri);
    await open(`Changes to review in ${count(pairs.length, 'file')}`, pairs, 'since the baseline');
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
  const options = { preview: true };
  if (before !== undefined && after !== undefined) {
    await commands.executeCommand('vscode.diff', before, after, label, options);
  } else await commands.executeCommand('vscode.open', after ?? before ?? file, options, label);
}

/** The documents of a file in a pending patch, as the server names them. */
function pairOf(approvalId: string, file: FileChange, index: number): Pair {
  const target = file.moveTo ?? file.path;
  const document = (side: string, name: string): Uri =>
    Uri.from({
      scheme: 'autopilot',
      path: `/approval/${approvalId}/${side}/${index}/${path.basename(name)}`,
    });
  return {
    file: Uri.file(target),
    before: file.kind === 'add' ? undefined : document('before', file.path),
    after: file.kind === 'delete' ? undefined : document('after', target),
  };
}

function filesOf(list: ChangesList): readonly Pair[] {
  const byFile = new Map<string, ChangeShown>();
  for (const change of list.changes) byFile.set(change.uri, change);
  return [...byFile.values()].map(change => {
    const file = Uri.parse(change.uri);
    return { file, before: undefined, after: change.kind === 'delete' ? undefined : file };
  });
}
