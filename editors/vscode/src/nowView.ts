// The head-up display: what the current session does now. And its plan. Pure: nodes from the view model.

import { Uri } from 'vscode';
import type { PlanStep, RateLimit, StatusView } from './generated';
import { runs, type Store } from './store';
import { changed, count, duration, since } from './text';
import type { Node } from './tree';

const ITEM_ICONS: Readonly<Record<string, string>> = {
  message: 'comment',
  reasoning: 'lightbulb',
  plan: 'checklist',
  command: 'terminal',
  patch: 'edit',
  tool: 'tools',
  search: 'search',
  agent: 'organization',
};

export function nowNodes(store: Store): readonly Node[] {
  const session = store.current;
  if (session === undefined) return [];
  return [
    head(session),
    ...doing(session),
    ...session.commands.map(({ id, command, startedAt, tail, background }) => ({
      id: `command-${id}`,
      label: command,
      description: `${since(startedAt)}${background ? ' · in the background' : ''}`,
      icon: 'terminal',
      tooltip: [command, ...tail].join('\n'),
      children: tail.map((line, index) => ({ id: `command-${id}-${index}`, label: line, icon: 'blank' })),
    })),
    ...files(session),
    ...session.queue.map(({ id, text, held }) => ({
      id: `queue-${id}`,
      label: text,
      description: held ? 'held, since the turn did not complete' : 'for the end of the turn',
      icon: held ? 'debug-pause' : 'comment-unresolved',
      context: held ? 'message-held' : 'message',
      target: { kind: 'message' as const, sessionId: session.sessionId, messageId: id },
    })),
    ...session.agents.map(agent => ({
      id: `agent-${agent.threadId}`,
      label: agent.name,
      description: `${agent.doing} · ${count(agent.tokens, 'token')}`,
      icon: agent.state === 'working' ? 'loading~spin' : 'organization',
    })),
    ...session.problems.map(({ level, text, at }, index) => ({
      id: `problem-${index}-${at}`,
      label: text,
      description: `${since(at)} ago`,
      icon: level,
      color: level === 'error' ? 'problemsErrorIcon.foreground' : 'problemsWarningIcon.foreground',
    })),
    use(session),
  ];
}

function head(session: StatusView): Node {
  const icons = { completed: 'pass', failed: 'error', interrupted: 'debug-stop', waiting: 'bell-dot' };
  const state = session.state in icons ? icons[session.state as keyof typeof icons] : 'circle-outline';
  const time = session.startedAt === null ? duration(session.elapsed) : since(session.startedAt);
  const percentage = session.percentage === null ? [] : [`${session.percentage} %`];
  return {
    id: `head-${session.sessionId}`,
    label: session.title === '' ? 'New session' : session.title,
    description: [session.mode, ...(session.turns > 0 ? [time] : []), ...percentage].join(' · '),
    tooltip: [
      session.title,
      `${session.runtime} ${session.runtimeVersion}, ${session.model}`,
      session.cwd,
    ].join('\n'),
    icon: session.state === 'inProgress' ? 'loading~spin' : state,
    context: runs(session) ? 'session-running' : 'session-open',
    target: { kind: 'session', sessionId: session.sessionId },
  };
}

function doing(session: StatusView): readonly Node[] {
  const failed = session.error !== '';
  const label = failed
    ? session.error
    : runs(session)
      ? (session.item?.title ?? session.doing)
      : session.closing;
  // A command is shown with its output anyway.
  const shown = session.item?.kind === 'command' && session.commands.length > 0;
  if (label === '' || (shown && !failed)) return [];
  const icon = failed ? 'error' : runs(session) ? (ITEM_ICONS[session.item?.kind ?? ''] ?? 'pulse') : 'flag';
  return [{ id: 'doing', label, icon, tooltip: `${session.doing}\n${label}` }];
}

function files(session: StatusView): readonly Node[] {
  if (session.files.length === 0) return [];
  const number = session.files.length + session.filesMore;
  return [
    {
      id: 'files',
      label: count(number, 'changed file'),
      icon: 'files',
      children: session.files.map(file => ({
        id: `file-${file.uri}`,
        label: file.path,
        description: changed(file),
        file: Uri.parse(file.uri),
        open: { command: 'vscode.open', title: 'Open', arguments: [Uri.parse(file.uri)] },
      })),
    },
  ];
}

function use(session: StatusView): Node {
  const { contextUsed, contextWindow, compactions } = session;
  const left =
    contextUsed !== null && contextWindow !== null && contextWindow > 0
      ? [`${Math.max(0, Math.round(100 * (1 - contextUsed / contextWindow)))} % of the context left`]
      : [];
  const shortened = compactions > 0 ? [`shortened ${count(compactions, 'time')}`] : [];
  return {
    id: 'use',
    label: count(session.tokens, 'token'),
    description: [...left, ...shortened].join(' · '),
    icon: 'dashboard',
    folded: true,
    children: [
      { id: 'model', label: session.model, description: session.runtime, icon: 'chip' },
      ...session.limits.map(limitNode),
      ...(session.account === '' ? [] : [{ id: 'account', label: session.account, icon: 'account' }]),
    ],
  };
}

function limitNode(limit: RateLimit, index: number): Node {
  return { id: `limit-${index}`, label: `${limit.name}: ${limit.usedPercent} % used`, icon: 'watch' };
}

const STEP: Readonly<Record<PlanStep['status'], readonly [string, string?]>> = {
  completed: ['pass-filled', 'testing.iconPassed'],
  inProgress: ['circle-large-filled', 'charts.blue'],
  pending: ['circle-large-outline'],
};

export function planNodes(store: Store): readonly Node[] {
  const session = store.current;
  return (session?.plan ?? []).map(({ step, status }, index) => {
    const [icon, color] = STEP[status];
    return { id: `step-${index}`, label: step, icon, ...(color === undefined ? {} : { color }) };
  });
}
