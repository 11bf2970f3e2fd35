// What the rest of the client needs of a connection to the server: commands and their errors, typed.
// Knows neither how the server is started nor what a command does.

import type { Commands } from './generated';

export type CommandName = keyof Commands;

/** Something that carries out commands of the server. */
export interface Caller {
  call<N extends CommandName>(name: N, argument: Commands[N]['argument']): Promise<Commands[N]['result']>;
}

/** What the server says of a command that it did not carry out; the message has its advice too. */
export class ServerError extends Error {
  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

/** The connection ended before the answer came: whether the command was carried out is unknown. */
export class Unanswered extends Error {}

/** Returns an error as one of ours. */
export function errorOf(error: unknown, connected: boolean): Error {
  if (!connected) return new Unanswered('The server stopped before it answered.');
  if (!(error instanceof Error)) return new Error(String(error));
  const data: unknown = (error as Error & { data?: unknown }).data;
  if (typeof data !== 'object' || data === null || !('code' in data)) return error;
  return new ServerError(error.message, String(data.code));
}
