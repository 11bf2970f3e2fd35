// All sessions, open and recorded, as the server lists them, and the view of them.
// Asks anew when one begins or ends. Knows nothing of what runs in them.

import { EventEmitter, type Disposable } from 'vscode';
import type { SessionSummary } from './generated';
import type { Caller } from './protocol';
import { runs, type Store } from './store';
import { count, minutesSince } from './text';
import type { Node } from './tree';

const SHOWN = 100;

export class Sessions implements Disposable {
  private readonly emitter = new EventEmitter<void>();
  readonly onDidChange = this.emitter.event;
  private known: readonly SessionSummary[] = [];
  private seen = '';

  constructor(
    private readonly caller: Caller,
    private readonly store: Store,
  ) {
    store.onDidChange(() => {
      const now = store.all.map(each => `${each.sessionId} ${each.state} ${each.alive} ${each.title}`).join();
      if (now === this.seen) return;
      this.seen = now;
      void this.load();
    });
  }

  async load(): Promise<void> {
    try {
      this.known = (await this.caller.call('autopilot.session.list', {})).sessions;
    } catch {
      return; // Without a server, what was known stays.
    }
    this.emitter.fire();
  }

  /** The session that was used last, whether it is open or not. */
  get newest(): string | undefined {
    return this.known[0]?.id;
  }

  nodes(): readonly Node[] {
    return this.known.slice(0, SHOWN).map(each => this.node(each));
  }

  private node(summary: SessionSummary): Node {
    const known = this.store.session(summary.id);
    const live = known?.alive === true ? known : undefined;
    const waits = (live?.pending.length ?? 0) > 0;
    const running = live !== undefined && runs(live);
    const icon = waits
      ? 'bell-dot'
      : running
        ? 'loading~spin'
        : live === undefined
          ? 'history'
          : 'circle-filled';
    return {
      id: summary.id,
      label: summary.title === '' ? 'New session' : summary.title,
      description: [
        live?.mode ?? summary.mode,
        count(summary.turns, 'turn'),
        `${minutesSince(summary.updatedAt) || 'a moment'} ago`,
      ].join(' · '),
      tooltip: [summary.title, summary.cwd, `${summary.runtime}, ${summary.state}`].join('\n'),
      icon,
      ...(live === undefined ? {} : { color: waits ? 'notificationsWarningIcon.foreground' : 'charts.blue' }),
      context: running ? 'session-running' : live === undefined ? 'session-closed' : 'session-open',
      target: { kind: 'session', sessionId: summary.id },
      open: { command: 'autopilot.openTranscript', title: 'Open', arguments: [summary.id] },
    };
  }

  dispose(): void {
    this.emitter.dispose();
  }
}
