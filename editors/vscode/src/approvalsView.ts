// The view of what waits: approvals, their files and hunks, with buttons to decide. Pure: nodes only.

import { Uri } from 'vscode';
import type { Approval, FileChange, HunkMark } from './generated';
import type { Store, Waiting } from './store';
import { count, minutesSince } from './text';
import type { Node } from './tree';

const ICONS: Readonly<Record<string, string>> = {
  command: 'terminal',
  patch: 'diff',
  permission: 'unlock',
  question: 'question',
  elicitation: 'question',
  tool: 'tools',
};

export function approvalNodes(store: Store): readonly Node[] {
  const many = store.all.length > 1;
  return store.waiting.map(waiting => approvalNode(store, waiting, many));
}

function approvalNode(store: Store, { session, pending }: Waiting, many: boolean): Node {
  const id = pending.id;
  const approval = store.approval(id);
  const deciding = store.isDeciding(id);
  const parts = [
    deciding ? 'deciding …' : '',
    pending.alarm,
    many ? session.title : '',
    minutesSince(pending.requestedAt),
  ];
  return {
    id,
    label: pending.title,
    description: parts.filter(part => part !== '').join(' · '),
    tooltip: [pending.title, pending.why, `Mode: ${session.mode}`].join('\n\n'),
    icon: deciding ? 'loading~spin' : (ICONS[pending.kind] ?? 'bell'),
    color:
      pending.risk === 'high' ? 'notificationsWarningIcon.foreground' : 'notificationsInfoIcon.foreground',
    context: `approval-${pending.kind}`,
    target: { kind: 'approval', approvalId: id },
    open: { command: 'autopilot.showApproval', title: 'Show', arguments: [id] },
    children: approval?.files.map((file, index) => fileNode(approval, file, index)) ?? [],
  };
}

function fileNode(approval: Approval, file: FileChange, index: number): Node {
  const unit = `${approval.id}-f${index}`;
  const hunks = file.hunks.map(({ id, oldStart, oldLines, newLines }, number) =>
    unitNode(approval, [id], {
      label: `Hunk ${number + 1}, line ${oldStart}`,
      description: `+${newLines.length} −${oldLines.length}`,
      tooltip: [...oldLines.map(line => `− ${line}`), ...newLines.map(line => `+ ${line}`)]
        .slice(0, 40)
        .join(''),
      index,
    }),
  );
  const whole = unitNode(approval, [unit], { label: '', index });
  const path = file.moveTo ?? file.path;
  const verb = file.moveTo === null ? { add: 'new', delete: 'deleted', update: '' }[file.kind] : 'renamed';
  return {
    ...whole,
    id: unit,
    label: Uri.file(path).path.split('/').at(-1) ?? path,
    description: [verb, count(file.hunks.length, 'hunk'), file.problem]
      .filter(part => part !== '')
      .join(' · '),
    tooltip: path,
    file: Uri.file(path),
    children: hunks.length > 1 ? hunks : [],
  };
}

interface Unit {
  readonly label: string;
  readonly description?: string;
  readonly tooltip?: string;
  readonly index: number;
}

function unitNode(
  approval: Approval,
  hunks: readonly string[],
  { label, description, tooltip, index }: Unit,
): Node {
  const mark: HunkMark['mark'] | undefined = approval.marks.find(each => hunks.includes(each.hunkId))?.mark;
  const chosen = mark === undefined ? '' : mark === 'accept' ? 'accepted' : 'rejected';
  return {
    id: hunks.join(),
    label,
    description: [chosen, description ?? ''].filter(part => part !== '').join(' · '),
    ...(tooltip === undefined ? {} : { tooltip }),
    icon: mark === undefined ? 'circle-outline' : mark === 'accept' ? 'pass' : 'circle-slash',
    ...(mark === undefined ? {} : { color: mark === 'accept' ? 'testing.iconPassed' : 'testing.iconFailed' }),
    context: mark === undefined ? 'unit-open' : 'unit-chosen',
    target: { kind: 'unit', approvalId: approval.id, hunks },
    open: { command: 'autopilot.showApproval', title: 'Show', arguments: [approval.id, index] },
  };
}
