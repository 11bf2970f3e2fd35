// The changes that nobody was asked about, as the server lists them, and the view of them with keep and undo.
// Asks anew when something may have changed. Knows nothing of how they are found.

import { EventEmitter, Uri, workspace, type Disposable } from 'vscode';
import type { ChangesList, ChangeShown } from './generated';
import type { Caller } from './protocol';
import { count } from './text';
import type { Node } from './tree';

/** Milliseconds in which several reasons to ask are taken as one. */
const PAUSE = 300;

export class Changes implements Disposable {
  private readonly emitter = new EventEmitter<void>();
  readonly onDidChange = this.emitter.event;
  lists: readonly ChangesList[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly caller: Caller) {}

  /** Asks soon what there is to review. */
  refresh(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.load();
    }, PAUSE);
  }

  /** Asks now. */
  async load(): Promise<void> {
    const folders = workspace.workspaceFolders ?? [];
    try {
      const lists = folders.map(({ uri }) =>
        this.caller.call('autopilot.changes.list', { cwd: uri.toString() }),
      );
      this.lists = await Promise.all(lists);
    } catch {
      return; // Without a server, or without git, there is nothing new to show.
    }
    this.emitter.fire();
  }

  get number(): number {
    return this.lists.reduce((sum, list) => sum + list.total, 0);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.emitter.dispose();
  }
}

export function changeNodes(changes: Changes): readonly Node[] {
  return changes.lists.flatMap(list => [
    ...byFile(list.changes).map(each => fileNode(list.cwd, each)),
    ...list.notices.map((notice, index) => ({ id: `notice-${index}`, label: notice, icon: 'info' })),
  ]);
}

function byFile(changes: readonly ChangeShown[]): readonly (readonly [ChangeShown, ...ChangeShown[]])[] {
  const files = new Map<string, [ChangeShown, ...ChangeShown[]]>();
  for (const change of changes) {
    const known = files.get(change.uri);
    if (known === undefined) files.set(change.uri, [change]);
    else known.push(change);
  }
  return [...files.values()];
}

function fileNode(cwd: string, changes: readonly [ChangeShown, ...ChangeShown[]]): Node {
  const [first] = changes;
  const uri = Uri.parse(first.uri);
  const whole = { add: 'new', delete: 'deleted', whole: 'whole file', mode: 'permissions', hunk: '' }[
    first.kind
  ];
  return {
    id: first.uri,
    label: first.path.split('/').at(-1) ?? first.path,
    description: [whole, count(changes.length, 'change'), first.by].filter(part => part !== '').join(' · '),
    tooltip: `${first.path}\n${first.by}`,
    file: uri,
    context: 'change-file',
    target: { kind: 'change', cwd, ids: changes.map(each => each.id), uri: first.uri },
    open: { command: 'autopilot.showChange', title: 'Show', arguments: [first.uri] },
    children: changes.length > 1 ? changes.map(each => changeNode(cwd, each)) : [],
  };
}

function changeNode(cwd: string, change: ChangeShown): Node {
  const range = { startLine: change.line };
  return {
    id: change.id,
    label: `Line ${change.line + 1}`,
    description: [`+${change.added} −${change.removed}`, change.author === 'agent' ? '' : change.author]
      .filter(part => part !== '')
      .join(' · '),
    tooltip: [...change.old.map(line => `− ${line}`), ...change.new.map(line => `+ ${line}`)].join('\n'),
    icon: 'diff-modified',
    context: 'change-hunk',
    target: { kind: 'change', cwd, ids: [change.id], uri: change.uri },
    open: { command: 'autopilot.showChange', title: 'Show', arguments: [change.uri, range.startLine] },
  };
}
