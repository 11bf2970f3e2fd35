// Says that an approval waits: a message with buttons, whose first one never decides, and again when the
// person comes back to a window that was in the background. Knows nothing of how a decision is sent.

import { window, type Disposable } from 'vscode';
import type { Approvals } from './approvals';
import type { Store, Waiting } from './store';
import { count, withoutLinks } from './text';

const AT_ONCE = 3;
const DECIDED_IN_MESSAGE = ['command', 'patch', 'permission', 'tool'];

export class Alerts implements Disposable {
  private readonly told = new Set<string>();
  private readonly missed = new Set<string>();
  private readonly subscriptions: Disposable[];

  constructor(
    private readonly store: Store,
    private readonly approvals: Approvals,
    private readonly show: (approvalId: string) => Promise<void>,
    private readonly showAll: () => Promise<void>,
    private readonly enabled: () => boolean,
  ) {
    this.subscriptions = [
      store.onDidChange(() => {
        this.look();
      }),
      window.onDidChangeWindowState(({ focused }) => {
        if (focused) this.back();
      }),
    ];
  }

  private look(): void {
    const waiting = this.store.waiting;
    const ids = new Set(waiting.map(each => each.pending.id));
    for (const id of this.told) if (!ids.has(id)) this.told.delete(id);
    for (const id of this.missed) if (!ids.has(id)) this.missed.delete(id);
    const fresh = waiting.filter(each => !this.told.has(each.pending.id));
    if (fresh.length === 0 || !this.enabled()) return;
    for (const { pending } of fresh) {
      this.told.add(pending.id);
      if (!window.state.focused) this.missed.add(pending.id);
    }
    this.tell(fresh);
  }

  /** The person is back: what came meanwhile and still waits is said once more. */
  private back(): void {
    const waiting = this.store.waiting.filter(each => this.missed.has(each.pending.id));
    this.missed.clear();
    if (waiting.length > 0 && this.enabled()) this.tell(waiting);
  }

  private tell(waiting: readonly Waiting[]): void {
    if (waiting.length <= AT_ONCE) for (const each of waiting) void this.one(each);
    else void this.many(waiting.length);
  }

  private async one({ pending }: Waiting): Promise<void> {
    const alarm = pending.alarm === '' ? '' : `${pending.alarm}: `;
    const text = withoutLinks(`${alarm}${pending.title}`);
    const buttons = DECIDED_IN_MESSAGE.includes(pending.kind)
      ? ['Show', 'Reject', 'Accept']
      : ['Answer', 'Reject'];
    const message = alarm === '' ? window.showInformationMessage : window.showWarningMessage;
    switch (await message(text, ...buttons)) {
      case 'Show':
        await this.show(pending.id);
        break;
      case 'Answer':
        await this.approvals.decide(pending.id, 'accept');
        break;
      case 'Accept':
        await this.approvals.decide(pending.id, 'accept');
        break;
      case 'Reject':
        await this.approvals.decide(pending.id, 'decline');
        break;
      case undefined:
    }
  }

  private async many(number: number): Promise<void> {
    const choice = await window.showInformationMessage(
      `Autopilot: ${count(number, 'approval')} wait.`,
      'Show',
    );
    if (choice !== undefined) await this.showAll();
  }

  dispose(): void {
    for (const each of this.subscriptions) each.dispose();
  }
}
