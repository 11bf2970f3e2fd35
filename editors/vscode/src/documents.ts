// The names of the documents that the server makes. Knows nothing of their texts.

import type { Uri } from 'vscode';

export const SCHEME = 'autopilot';

/** Returns the approval that a document belongs to, if it is one of a pending patch. */
export function approvalOf(uri: Uri | undefined): string | undefined {
  if (uri?.scheme !== SCHEME) return undefined;
  return /^\/approval\/([^/.]+)/.exec(uri.path)?.[1];
}
