// What the server said last of each session: one view model, replaced and never computed.
// Knows neither the connection nor what is drawn from it.

import { EventEmitter, type Disposable } from 'vscode';
import type { Approval, ApprovalNotification, Mode, PendingApproval, StatusView } from './generated';

/** How the server stands. */
export type ServerState = 'starting' | 'ready' | 'stopped' | 'missing';

export interface Waiting {
  readonly session: StatusView;
  readonly pending: PendingApproval;
}

const MAX_ENDED = 10;

export class Store implements Disposable {
  private readonly emitter = new EventEmitter<void>();
  readonly onDidChange = this.emitter.event;

  server: ServerState = 'starting';
  /** The mode of new sessions. */
  mode: Mode = 'propose';
  private readonly sessions = new Map<string, StatusView>();
  private readonly details = new Map<string, Approval>();
  private readonly deciding = new Set<string>();
  private chosen: string | undefined;

  /** Takes the server's state; what a stopped server said is kept until it says it anew. */
  setServer(state: ServerState): void {
    this.server = state;
    this.emitter.fire();
  }

  /** Takes a session's status, unless a newer one is there. */
  put(status: StatusView): void {
    const known = this.sessions.get(status.sessionId);
    if (known !== undefined && known.seq > status.seq) return;
    // The newest comes last.
    if (known?.turnId !== status.turnId) this.sessions.delete(status.sessionId);
    this.sessions.set(status.sessionId, status);
    this.prune();
    this.emitter.fire();
  }

  /** Takes a snapshot: what is not in it is gone. */
  replace(sessions: readonly StatusView[], approvals: readonly Approval[], mode: Mode): void {
    this.sessions.clear();
    for (const session of sessions) this.sessions.set(session.sessionId, session);
    this.mode = mode;
    this.setApprovals(approvals);
  }

  setMode(mode: Mode): void {
    this.mode = mode;
    this.emitter.fire();
  }

  private setApprovals(approvals: readonly Approval[]): void {
    this.details.clear();
    for (const approval of approvals) this.details.set(approval.id, approval);
    this.emitter.fire();
  }

  /** Takes the news that an approval waits or has its decision. */
  note(news: ApprovalNotification): void {
    if (news.approval !== null) this.details.set(news.approvalId, news.approval);
    if (news.decision !== null) this.forget(news.approvalId);
    else this.emitter.fire();
  }

  /** A decision is on its way to the server, or no longer. */
  setDeciding(approvalId: string, on: boolean): void {
    if (on) this.deciding.add(approvalId);
    else this.deciding.delete(approvalId);
    this.emitter.fire();
  }

  isDeciding(approvalId: string): boolean {
    return this.deciding.has(approvalId);
  }

  /** Takes what was chosen so far for the hunks of a patch. */
  setMarks(approvalId: string, marks: Approval['marks']): void {
    const known = this.details.get(approvalId);
    if (known !== undefined) this.details.set(approvalId, { ...known, marks });
    this.emitter.fire();
  }

  /** An approval no longer waits, whatever the last status said. */
  forget(approvalId: string): void {
    this.details.delete(approvalId);
    for (const [id, session] of this.sessions) {
      const pending = session.pending.filter(each => each.id !== approvalId);
      if (pending.length < session.pending.length) this.sessions.set(id, { ...session, pending });
    }
    this.emitter.fire();
  }

  private prune(): void {
    // One that has ended is still looked at, until there are many.
    const [oldest, ...ended] = this.all.filter(each => !each.alive);
    if (oldest !== undefined && ended.length >= MAX_ENDED) this.sessions.delete(oldest.sessionId);
    const waiting = new Set(this.waiting.map(each => each.pending.id));
    for (const [id, approval] of this.details) {
      if (this.sessions.has(approval.sessionId) && !waiting.has(id)) this.details.delete(id);
    }
  }

  get all(): readonly StatusView[] {
    return [...this.sessions.values()];
  }

  session(id: string): StatusView | undefined {
    return this.sessions.get(id);
  }

  approval(id: string): Approval | undefined {
    return this.details.get(id);
  }

  /** What waits for a decision, the oldest first. */
  get waiting(): readonly Waiting[] {
    return this.all
      .flatMap(session => session.pending.map(pending => ({ session, pending })))
      .sort((one, other) => one.pending.requestedAt - other.pending.requestedAt);
  }

  waits(approvalId: string): Waiting | undefined {
    return this.waiting.find(each => each.pending.id === approvalId);
  }

  get unreviewed(): number {
    return this.all.reduce((sum, session) => sum + session.unreviewed.hunks, 0);
  }

  /** Has a session be the one that is shown. */
  choose(sessionId: string | undefined): void {
    this.chosen = sessionId;
    this.emitter.fire();
  }

  /** The session that is shown: one that runs, of several the chosen one; else the chosen one or the newest. */
  get current(): StatusView | undefined {
    const chosen = this.chosen === undefined ? undefined : this.sessions.get(this.chosen);
    const all = this.all;
    if (chosen !== undefined && runs(chosen)) return chosen;
    return all.findLast(runs) ?? chosen ?? all.at(-1);
  }

  dispose(): void {
    this.emitter.dispose();
  }
}

/** Tells whether a turn runs in a session. */
export function runs(session: StatusView): boolean {
  return session.startedAt !== null;
}
