// The client as a whole: makes its parts, and tells each what concerns it. All that decides is in the server.

import { commands, window, workspace, type ExtensionContext } from 'vscode';
import { tellAccount } from './account';
import { Alerts } from './alerts';
import { Approvals } from './approvals';
import { approvalNodes } from './approvalsView';
import { changeNodes, Changes } from './changes';
import { register } from './commands';
import { failed } from './failures';
import type { ApprovalDecideParams, ApprovalMarkParams, StatusView } from './generated';
import { nowNodes, planNodes } from './nowView';
import { Review } from './review';
import { Server } from './server';
import { Sessions } from './sessionsView';
import { Settings } from './settings';
import { StatusBar } from './statusBar';
import { runs, Store } from './store';
import { count } from './text';
import { Transcripts } from './transcript';
import { Tree } from './tree';

let running: Server | undefined;

export async function activate(context: ExtensionContext): Promise<void> {
  const settings = new Settings(context.extension.id);
  const log = window.createOutputChannel('Autopilot', { log: true });
  const store = new Store();
  const transcripts = new Transcripts();
  const server = new Server(settings, log, (name, argument) => override(name, argument));
  const review = new Review(server, store);
  const openTranscript = async (id: string): Promise<void> => transcripts.open(id);
  const show = async (id: string): Promise<void> => {
    await commands.executeCommand('autopilot.showApproval', id);
  };
  const showAll = async (): Promise<void> => {
    await commands.executeCommand('autopilot.showApprovals');
  };
  const approvals = new Approvals(server, store, show, openTranscript);
  const changes = new Changes(server);
  const sessions = new Sessions(server, store);
  running = server;

  /** Commands that the server offers at places in a document, and that this client shows better itself. */
  function override(name: string, argument: object): Promise<unknown> | undefined {
    if (name === 'autopilot.transcript.open' && 'sessionId' in argument) {
      return transcripts.open(String(argument.sessionId)).catch(failed);
    }
    if (name === 'autopilot.approval.decide') {
      const { approvalId, decision, ...details } = argument as ApprovalDecideParams;
      return approvals.decide(approvalId, decision, details);
    }
    if (name === 'autopilot.approval.mark') {
      const { approvalId, hunks, mark, ...details } = argument as ApprovalMarkParams;
      return approvals.mark(approvalId, hunks, mark, details);
    }
    return undefined;
  }

  /** Takes everything anew: after the start, and after each time that the connection was gone. */
  async function snapshot(): Promise<void> {
    const status = await server.call('autopilot.status', {});
    const list = await server.call('autopilot.approval.list', {});
    store.replace(status.sessions, list.approvals, status.mode);
    approvals.recover();
    changes.refresh();
    await sessions.load();
  }

  /** Tells the server the mode of new sessions where it is another now. */
  async function takeMode(): Promise<void> {
    const { mode } = settings;
    if (server.sent === undefined || server.sent.mode === mode) return;
    await server.call('autopilot.mode.set', { mode });
    server.sent = { ...server.sent, mode };
    store.setMode(mode);
  }

  const badge = (value: number, noun: string): { value: number; tooltip: string } | undefined =>
    value === 0 ? undefined : { value, tooltip: count(value, noun) };
  const trees = [
    new Tree(
      'autopilot.approvals',
      () => approvalNodes(store),
      () => badge(store.waiting.length, 'approval'),
    ),
    new Tree('autopilot.now', () => nowNodes(store)),
    new Tree('autopilot.plan', () => planNodes(store)),
  ];
  const changeTree = new Tree('autopilot.changes', () => changeNodes(changes));
  const sessionTree = new Tree('autopilot.sessions', () => sessions.nodes());
  const draw = (): void => {
    for (const tree of trees) tree.refresh();
    setContext('state', store.server);
    setContext('running', store.all.some(runs));
    setContext('session', store.current !== undefined);
  };
  // The time that goes by is the client's to tell.
  const clock = setInterval(() => {
    if (store.all.some(runs)) for (const tree of trees.slice(0, 2)) tree.refresh();
  }, 1000);

  context.subscriptions.push(
    log,
    store,
    transcripts,
    server,
    approvals,
    changes,
    sessions,
    ...trees,
    changeTree,
    sessionTree,
    new StatusBar(store),
    new Alerts(store, approvals, show, showAll, () => settings.showsMessages),
    {
      dispose: () => {
        clearInterval(clock);
      },
    },
    store.onDidChange(draw),
    changes.onDidChange(() => {
      setContext('changes', changes.number > 0);
      changeTree.refresh();
    }),
    sessions.onDidChange(() => {
      sessionTree.refresh();
    }),
    server.onDidChangeState(state => {
      store.setServer(state);
      if (state === 'ready') takeMode().then(snapshot).catch(failed);
    }),
    server.on('autopilot/status', ({ status }) => {
      if (differs(store.session(status.sessionId), status)) changes.refresh();
      store.put(status);
    }),
    server.on('autopilot/approval', news => {
      store.note(news);
    }),
    server.on('autopilot/account', tellAccount),
    server.on('autopilot/reload', () => {
      // Documents without unsaved text are read anew by the editor itself.
      changes.refresh();
    }),
    workspace.onDidGrantWorkspaceTrust(() => {
      server.restart().catch(failed);
    }),
    workspace.onDidChangeConfiguration(event => {
      if (!event.affectsConfiguration('autopilot') || store.server !== 'ready') return;
      if (settings.fixed === server.sent?.fixed) takeMode().catch(failed);
      else void offerRestart();
    }),
    ...register({ server, store, approvals, review, changes, sessions, transcripts, log }),
  );
  draw();
  await server.start();
}

export async function deactivate(): Promise<void> {
  await running?.end();
}

/** Tells whether there may be other changes to review than before. */
function differs(before: StatusView | undefined, now: StatusView): boolean {
  return before?.state !== now.state || before.unreviewed.hunks !== now.unreviewed.hunks;
}

function setContext(name: string, value: unknown): void {
  void commands.executeCommand('setContext', `autopilot.${name}`, value);
}

async function offerRestart(): Promise<void> {
  const text = 'Autopilot: the changed settings hold after a restart of the server.';
  if ((await window.showInformationMessage(text, 'Restart')) !== undefined) {
    await commands.executeCommand('autopilot.restart');
  }
}
