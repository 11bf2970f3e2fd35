// The menus that are opened by the status bar and by the mode. Knows no server.

import { commands, window } from 'vscode';
import type { Approvals } from './approvals';
import type { Mode, ReviewTarget, SessionSummary } from './generated';
import { runs, type Store } from './store';
import { count, since, withoutIcons } from './text';
import { modes } from './trust';

const MEANINGS: Readonly<Record<Mode, readonly [string, string]>> = {
  'read-only': ['eye', 'Nothing is executed or edited'],
  propose: ['comment-discussion', 'Every edit, and every command that is not plainly reading, asks'],
  auto: ['rocket', 'What your rules allow goes; the rest asks or is denied'],
  escalate: ['broadcast', 'As auto, for when you are away: what is of high risk waits for you'],
};

export async function pickMode(now: Mode): Promise<Mode | undefined> {
  const items = modes().map(mode => ({
    label: `$(${MEANINGS[mode][0]}) ${mode}`,
    description: mode === now ? 'now' : '',
    detail: MEANINGS[mode][1],
    mode,
  }));
  const placeHolder =
    items.length < 4 ? 'Trust this folder to have more modes.' : 'How much may the agent do by itself?';
  return (await window.showQuickPick(items, { title: 'Autopilot: mode', placeHolder }))?.mode;
}

/** Asks for one of the sessions that were put away. */
export async function pickSession(archived: readonly SessionSummary[]): Promise<string | undefined> {
  if (archived.length === 0) {
    void window.showInformationMessage('Autopilot: no session is archived.');
    return undefined;
  }
  const items = archived.map(({ id, title, cwd }) => ({ label: withoutIcons(title), detail: cwd, id }));
  return (await window.showQuickPick(items, { title: 'Autopilot: bring back a session' }))?.id;
}

/** Asks what a review is to look at. */
export async function pickReview(): Promise<ReviewTarget | undefined> {
  const kinds = [
    { label: '$(git-commit) What is not committed', type: 'uncommittedChanges' as const },
    { label: '$(git-branch) What differs from a branch…', type: 'baseBranch' as const },
    { label: '$(history) A commit…', type: 'commit' as const },
    { label: '$(edit) Something else…', type: 'custom' as const },
  ];
  const kind = await window.showQuickPick(kinds, { title: 'Autopilot: a review of the code' });
  if (kind === undefined || kind.type === 'uncommittedChanges') return kind && { type: kind.type };
  const prompts = {
    baseBranch: 'The branch',
    commit: 'The hash of the commit',
    custom: 'What is to be looked at',
  };
  const text = await window.showInputBox({
    title: 'Autopilot: a review of the code',
    prompt: prompts[kind.type],
  });
  if (text === undefined || text === '') return undefined;
  const member = { baseBranch: 'branch', commit: 'sha', custom: 'instructions' }[kind.type];
  return { type: kind.type, [member]: text };
}

/** What waits first, then what can be done. */
export async function actionMenu(store: Store, approvals: Approvals): Promise<void> {
  if (store.server !== 'ready') {
    await commands.executeCommand(
      store.server === 'missing' ? 'autopilot.installServer' : 'autopilot.showLog',
    );
    return;
  }
  const waiting = store.waiting.map(({ pending, session }) => ({
    label: `$(bell-dot) ${withoutIcons(pending.title)}`,
    description: `waits ${since(pending.requestedAt)}`,
    detail: withoutIcons(session.title),
    run: async () => approvals.menu(pending.id),
  }));
  const action = (icon: string, label: string, command: string, description = ''): Item => ({
    label: `$(${icon}) ${label}`,
    description,
    run: async () => commands.executeCommand(`autopilot.${command}`),
  });
  const running = store.all.some(runs);
  const items: Item[] = [
    ...waiting,
    action('add', 'Ask the agent…', 'ask'),
    ...(store.current === undefined
      ? []
      : [
          action(
            'comment',
            running ? 'Say something into the turn…' : 'The next task of this session…',
            'say',
          ),
          action('output', 'Open the transcript', 'openTranscript'),
        ]),
    ...(running ? [action('debug-stop', 'Stop the turn', 'stop')] : []),
    ...(store.unreviewed > 0
      ? [action('diff-multiple', 'Review the changes', 'reviewChanges', count(store.unreviewed, 'change'))]
      : []),
    ...(running ? [action('comment-unresolved', 'Queue a message for the end of the turn…', 'queue')] : []),
    action('code-review', 'Have the code reviewed…', 'reviewCode'),
    action('shield', 'Change the mode…', 'selectMode', store.current?.mode ?? store.mode),
    action('list-tree', 'Show what goes on', 'now.focus'),
    action('server', 'Restart the server', 'restart'),
  ];
  await (await window.showQuickPick(items, { title: 'Autopilot' }))?.run();
}

interface Item {
  readonly label: string;
  readonly description?: string;
  readonly detail?: string;
  run(): Promise<unknown>;
}
