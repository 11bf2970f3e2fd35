// The status bar item: mode, what goes on, what waits. Knows nothing of what a click does.

import { StatusBarAlignment, ThemeColor, window, type Disposable, type StatusBarItem } from 'vscode';
import type { StatusView } from './generated';
import { runs, type Store } from './store';
import { count, shortened, since, withoutIcons } from './text';

const WIDTH = 50;

export class StatusBar implements Disposable {
  private readonly item: StatusBarItem;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly store: Store) {
    this.item = window.createStatusBarItem('autopilot', StatusBarAlignment.Left, 100);
    this.item.name = 'Autopilot';
    this.item.command = 'autopilot.act';
    store.onDidChange(() => {
      this.draw();
    });
    // The time that goes by is the client's to tell.
    this.timer = setInterval(() => {
      if (store.all.some(runs)) this.draw();
    }, 1000);
    this.draw();
    this.item.show();
  }

  private draw(): void {
    const { server, waiting, current } = this.store;
    const loud = waiting.length > 0;
    this.item.text = loud
      ? `$(bell-dot) ${count(waiting.length, 'approval')} · ${current?.mode ?? this.store.mode}`
      : text(server, current, this.store.mode);
    this.item.tooltip = tooltip(this.store);
    this.item.backgroundColor =
      loud || server === 'missing' || server === 'stopped'
        ? new ThemeColor('statusBarItem.warningBackground')
        : undefined;
    this.item.accessibilityInformation = {
      label: `Autopilot: ${this.item.text.replace(/\$\([\w-~]+\)/g, '')}`,
    };
  }

  dispose(): void {
    clearInterval(this.timer);
    this.item.dispose();
  }
}

function text(server: Store['server'], current: StatusView | undefined, mode: string): string {
  if (server === 'missing') return '$(warning) Autopilot: no server';
  if (server === 'stopped') return '$(warning) Autopilot: stopped';
  if (server === 'starting') return '$(sync~spin) Autopilot';
  if (current === undefined || current.startedAt === null) {
    return current?.state === 'failed'
      ? `$(error) Autopilot · ${current.mode}`
      : `$(rocket) ${current?.mode ?? mode}`;
  }
  const doing = shortened(current.item?.title ?? current.doing, WIDTH);
  return `$(loading~spin) ${current.mode} · ${withoutIcons(doing)} · ${since(current.startedAt)}`;
}

function tooltip(store: Store): string {
  const lines = ['Autopilot'];
  for (const { pending } of store.waiting) lines.push(`Waits for you: ${pending.title}`);
  for (const each of store.all) if (runs(each)) lines.push(`${each.title}: ${each.doing}`);
  if (store.unreviewed > 0) lines.push(`${count(store.unreviewed, 'change')} to review`);
  return lines.join('\n');
}
