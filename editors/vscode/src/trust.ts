// What workspace trust means here: in a folder that is not trusted, no agent works without asking.
// The server cannot know of it. Knows no connection.

import { workspace } from 'vscode';
import type { Mode } from './generated';

const ALL: readonly Mode[] = ['read-only', 'propose', 'auto', 'escalate'];

/** The modes that may be used in this window. */
export function modes(): readonly Mode[] {
  return workspace.isTrusted ? ALL : ALL.slice(0, 2);
}

/** Returns a mode if it may be used here, and else the one that asks for everything. */
export function allowed(mode: Mode): Mode {
  return modes().includes(mode) ? mode : 'propose';
}

/** Returns a command's argument with its mode made one that may be used here. */
export function restrained(name: string, argument: object): object {
  if (workspace.isTrusted) return argument;
  const mode = 'mode' in argument ? (argument.mode as Mode | null | undefined) : undefined;
  if (mode !== undefined && mode !== null) return { ...argument, mode: allowed(mode) };
  // A session that is gone on with keeps its mode otherwise.
  return name === 'autopilot.turn.start' && 'sessionId' in argument
    ? { ...argument, mode: 'propose' satisfies Mode }
    : argument;
}
