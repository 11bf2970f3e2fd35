// What each of the client's commands does: asks the person for what is missing, and calls the server.
// Knows no view but the nodes that commands are given.

import {
  commands,
  Range,
  TabInputTextDiff,
  Uri,
  window,
  type Disposable,
  type LogOutputChannel,
} from 'vscode';
import { login, logout } from './account';
import type { Approvals } from './approvals';
import type { Changes } from './changes';
import { approvalOf } from './documents';
import { guarded } from './failures';
import type { Mode } from './generated';
import { help } from './install';
import { actionMenu, pickMode, pickReview, pickSession } from './menus';
import type { Caller } from './protocol';
import type { Review } from './review';
import type { Sessions } from './sessionsView';
import { runs, type Store } from './store';
import { askTask, fixTask, folderOf, type Task } from './task';
import type { Transcripts } from './transcript';
import type { Node, Target } from './tree';

/** What the commands need. */
export interface Parts {
  readonly server: Caller & { restart(): Promise<void> };
  readonly store: Store;
  readonly approvals: Approvals;
  readonly review: Review;
  readonly changes: Changes;
  readonly sessions: Sessions;
  readonly transcripts: Transcripts;
  readonly log: LogOutputChannel;
}

type Run = (...args: never[]) => unknown;

export function register(parts: Parts): Disposable[] {
  const all: Readonly<Record<string, Run>> = {
    ...taskCommands(parts),
    ...approvalCommands(parts),
    ...changeCommands(parts),
    ...sessionCommands(parts),
    act: () => actionMenu(parts.store, parts.approvals),
    restart: () => parts.server.restart(),
    showLog: () => {
      parts.log.show();
    },
    installServer: help,
  };
  return Object.entries(all).map(([name, run]) =>
    commands.registerCommand(`autopilot.${name}`, guarded(run as (...args: unknown[]) => unknown)),
  );
}

function taskCommands({ server, store }: Parts): Record<string, Run> {
  const start = async (task: Task | undefined): Promise<void> => {
    if (task === undefined) return;
    const { text, references, attachments, cwd } = task;
    const { sessionId } = await server.call('autopilot.turn.start', {
      text,
      references,
      attachments,
      cwd: cwd ?? null,
    });
    store.choose(sessionId);
  };
  const on =
    (name: 'autopilot.turn.unqueue' | 'autopilot.turn.release') =>
    async ({ target }: Node): Promise<void> => {
      if (target?.kind !== 'message') return;
      const { sessionId, messageId } = target;
      await server.call(name, { sessionId, messageId });
    };
  return {
    ask: async (place?: Uri) => {
      const about = place instanceof Uri ? place : undefined;
      await start(await askTask('Autopilot: a new task', 'What is to be done?', about));
    },
    fix: async () => {
      const task = fixTask();
      if (task === undefined)
        void window.showInformationMessage('Autopilot: there are no problems in this file.');
      await start(task);
    },
    say: async (node?: Node) => {
      const session = store.session(sessionOf(node) ?? '') ?? store.current;
      const sessionId = sessionOf(node) ?? session?.sessionId;
      if (sessionId === undefined) return;
      const running = session !== undefined && runs(session);
      const task = await askTask(
        running
          ? 'Autopilot: say something into the running turn'
          : 'Autopilot: the next task of this session',
        session?.title ?? '',
      );
      if (task === undefined) return;
      const { text, references, attachments } = task;
      if (running) await server.call('autopilot.turn.steer', { sessionId, text, attachments });
      else await server.call('autopilot.turn.start', { sessionId, text, references, attachments });
      store.choose(sessionId);
    },
    queue: async (node?: Node) => {
      const sessionId = sessionOf(node) ?? store.all.findLast(runs)?.sessionId;
      if (sessionId === undefined) return;
      const task = await askTask('Autopilot: for the end of the turn', 'What is to be done then?');
      if (task === undefined) return;
      const { text, references, attachments } = task;
      await server.call('autopilot.turn.queue', { sessionId, text, references, attachments });
    },
    unqueue: on('autopilot.turn.unqueue'),
    release: on('autopilot.turn.release'),
    reviewCode: async () => {
      const target = await pickReview();
      if (target === undefined) return;
      const cwd = folderOf(window.activeTextEditor?.document.uri) ?? null;
      const { sessionId } = await server.call('autopilot.review.start', { cwd, target });
      store.choose(sessionId);
    },
    login: () => login(server),
    logout: () => logout(server),
    stop: async (node?: Node) => {
      const sessionId = sessionOf(node) ?? store.all.findLast(runs)?.sessionId;
      if (sessionId !== undefined) await server.call('autopilot.turn.interrupt', { sessionId });
    },
    selectMode: async (node?: Node) => {
      const session = store.session(sessionOf(node) ?? '') ?? store.current;
      const mode: Mode | undefined = await pickMode(session?.mode ?? store.mode);
      if (mode === undefined) return;
      const sessionId = session?.sessionId;
      await server.call('autopilot.mode.set', sessionId === undefined ? { mode } : { mode, sessionId });
      if (sessionId === undefined) store.setMode(mode);
    },
  };
}

function approvalCommands({ store, approvals, review, transcripts, sessions }: Parts): Record<string, Run> {
  // A command comes from a node, from a diff editor, or with an id.
  const idOf = (from?: Node | Uri | string): string | undefined => {
    if (typeof from === 'string') return from;
    if (from instanceof Uri) return approvalOf(from);
    const target = from?.target;
    if (target !== undefined) return 'approvalId' in target ? target.approvalId : undefined;
    const tab = window.tabGroups.activeTabGroup.activeTab?.input;
    return tab instanceof TabInputTextDiff
      ? (approvalOf(tab.modified) ?? approvalOf(tab.original))
      : undefined;
  };
  const on =
    (run: (approvalId: string) => Promise<void>) =>
    async (from?: Node | Uri | string): Promise<void> => {
      const approvalId = idOf(from);
      if (approvalId !== undefined) await run(approvalId);
    };
  const mark =
    (choice: 'accept' | 'reject' | 'none') =>
    async ({ target }: Node): Promise<void> => {
      if (target?.kind === 'unit') await approvals.mark(target.approvalId, target.hunks, choice);
    };
  return {
    showApprovals: async () => {
      await commands.executeCommand('autopilot.approvals.focus');
    },
    showApproval: async (from?: Node | Uri | string, file?: number) => {
      const approvalId = idOf(from);
      const kind = approvalId === undefined ? undefined : store.waits(approvalId)?.pending.kind;
      if (approvalId === undefined || kind === undefined) return;
      if (kind === 'patch') await review.showPatch(approvalId, file);
      else await approvals.menu(approvalId);
    },
    decideApproval: on(async id => approvals.menu(id)),
    acceptApproval: on(async id => approvals.decide(id, 'accept')),
    rejectApproval: on(async id => approvals.decide(id, 'decline')),
    rejectApprovalAndStop: on(async id => approvals.decide(id, 'cancel')),
    rejectApprovalWithReason: on(async id => approvals.rejectWithReason(id)),
    previewApproval: on(async id => approvals.preview(id)),
    acceptHunk: mark('accept'),
    rejectHunk: mark('reject'),
    unmarkHunk: mark('none'),
    openTranscript: async (from?: Node | string) => {
      const sessionId =
        typeof from === 'string' ? from : (sessionOf(from) ?? store.current?.sessionId ?? sessions.newest);
      if (sessionId !== undefined) await transcripts.open(sessionId);
    },
  };
}

function changeCommands({ server, changes, review, store, sessions }: Parts): Record<string, Run> {
  const chosen =
    (name: 'autopilot.changes.keep' | 'autopilot.changes.undo') =>
    async ({ target }: Node): Promise<void> => {
      if (target?.kind !== 'change') return;
      const done = await server.call(name, { cwd: target.cwd, ids: target.ids });
      if ('left' in done) tellLeft(done.left);
      changes.refresh();
    };
  return {
    reviewChanges: async () => {
      await changes.load();
      for (const list of changes.lists) await review.showChanges(list);
    },
    showChange: async (from: Node | string, line?: number) => {
      const uri =
        typeof from === 'string' ? from : from.target?.kind === 'change' ? from.target.uri : undefined;
      const list = changes.lists.find(each => each.changes.some(change => change.uri === uri));
      if (list !== undefined) await review.showChanges(list, uri);
      const editor = window.activeTextEditor;
      if (line !== undefined && editor !== undefined && editor.document.uri.toString() === uri) {
        editor.revealRange(new Range(line, 0, line, 0));
      }
    },
    keepChange: chosen('autopilot.changes.keep'),
    undoChange: chosen('autopilot.changes.undo'),
    keepAll: async () => {
      for (const { cwd, total } of changes.lists) {
        if (total > 0) await server.call('autopilot.changes.keep', { cwd, all: true });
      }
      changes.refresh();
    },
    undoTurn: async (node?: Node) => {
      const sessionId = sessionOf(node) ?? store.current?.sessionId ?? sessions.newest;
      if (sessionId === undefined) return;
      const { written, left } = await server.call('autopilot.turn.undo', { sessionId });
      tellLeft(left);
      changes.refresh();
      const choice = await window.showInformationMessage(
        `Autopilot: the turn is undone (${written.length === 0 ? 'nothing to change' : written.join(', ')}).`,
        'Undo the Undo',
      );
      if (choice !== undefined) await commands.executeCommand('autopilot.redoTurn');
    },
    redoTurn: async () => {
      for (const { cwd, undone } of changes.lists) {
        if (undone.length > 0) tellLeft((await server.call('autopilot.turn.redo', { cwd })).left);
      }
      changes.refresh();
    },
  };
}

function sessionCommands({ server, sessions, store }: Parts): Record<string, Run> {
  const on =
    (run: (sessionId: string) => Promise<unknown>) =>
    async (node?: Node): Promise<void> => {
      const sessionId = sessionOf(node);
      if (sessionId === undefined) return;
      await run(sessionId);
      await sessions.load();
    };
  return {
    resumeSession: on(async sessionId => {
      await server.call('autopilot.session.resume', { sessionId });
      store.choose(sessionId);
    }),
    closeSession: on(async sessionId => server.call('autopilot.session.close', { sessionId })),
    deleteSession: on(async sessionId => {
      const sure = 'Delete';
      const text = 'Delete this session and its record for good?';
      const choice = await window.showWarningMessage(text, { modal: true }, sure);
      if (choice === sure) await server.call('autopilot.session.delete', { sessionId });
    }),
    renameSession: on(async sessionId => {
      const value = store.session(sessionId)?.title ?? '';
      const title = await window.showInputBox({ title: 'Autopilot: the name of the session', value });
      if (title !== undefined && title !== '')
        await server.call('autopilot.session.rename', { sessionId, title });
    }),
    archiveSession: on(async sessionId => server.call('autopilot.session.archive', { sessionId })),
    bringBackSession: async () => {
      const { sessions: archived } = await server.call('autopilot.session.list', { archived: true });
      const sessionId = await pickSession(archived);
      if (sessionId === undefined) return;
      await server.call('autopilot.session.archive', { sessionId, archived: false });
      await sessions.load();
    },
    compactSession: on(async sessionId => server.call('autopilot.session.compact', { sessionId })),
    forkSession: on(async sessionId => {
      const forked = await server.call('autopilot.session.fork', { sessionId });
      store.choose(forked.sessionId);
    }),
    refreshSessions: async () => sessions.load(),
  };
}

function sessionOf(node: Node | undefined): string | undefined {
  const target: Target | undefined = node?.target;
  return target?.kind === 'session' ? target.sessionId : undefined;
}

/** Says which files were left as they are, and why. */
function tellLeft(left: readonly string[]): void {
  if (left.length > 0) void window.showWarningMessage(`Autopilot: ${left.join(' ')}`);
}
