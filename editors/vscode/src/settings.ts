// The settings as the server takes them: what only a person may set goes with `initialize`, the rest is
// asked for. Settings of the client itself never reach the server. Knows no connection.

import { extensions, workspace, type WorkspaceConfiguration } from 'vscode';
import type { Mode } from './generated';
import { allowed } from './trust';

const SECTION = 'autopilot';
const OWN = 'server.';

interface Described {
  readonly scope?: string;
}

interface Manifest {
  readonly contributes: {
    readonly configuration: { readonly properties: Readonly<Record<string, Described>> };
  };
}

export class Settings {
  private readonly names: readonly { name: string; machine: boolean }[];

  constructor(extensionId: string) {
    const manifest = extensions.getExtension(extensionId)?.packageJSON as Manifest | undefined;
    const properties = Object.entries(manifest?.contributes.configuration.properties ?? {});
    this.names = properties.map(([path, { scope }]) => ({
      name: path.slice(SECTION.length + 1),
      machine: scope === 'machine',
    }));
  }

  /** What decides what is run and how autonomous agents are: no folder's settings reach it. */
  get initial(): object {
    return { ...this.tree(true), approvals: { showMessage: false } };
  }

  /** What the server asks for; that an approval waits is said by the client itself. */
  get asked(): object {
    return { ...this.tree(false), approvals: { showMessage: false } };
  }

  /** The mode of new sessions, as far as the folder's trust goes. */
  get mode(): Mode {
    return allowed(this.configuration.get<Mode>('mode', 'propose'));
  }

  get command(): readonly string[] {
    return this.configuration.get<string[]>('server.command', []);
  }

  get shared(): boolean {
    return this.configuration.get('server.shared', true);
  }

  get showsMessages(): boolean {
    return this.configuration.get('approvals.showMessage', true);
  }

  /** All that only a new server can take; another text after a change means that it must be started anew. */
  get fixed(): string {
    return JSON.stringify([{ ...this.initial, mode: undefined }, this.command, this.shared]);
  }

  private get configuration(): WorkspaceConfiguration {
    return workspace.getConfiguration(SECTION);
  }

  /** What a person has set, nested as the server has it. */
  private tree(machine: boolean): Record<string, unknown> {
    const tree: Record<string, unknown> = {};
    for (const setting of this.names) {
      if (setting.name.startsWith(OWN) || setting.machine !== machine) continue;
      const found = this.configuration.inspect(setting.name);
      const value = found?.workspaceFolderValue ?? found?.workspaceValue ?? found?.globalValue;
      if (value === undefined) continue;
      const path = setting.name.split('.');
      const last = path.pop() ?? '';
      let place = tree;
      for (const part of path) place = (place[part] ??= {}) as Record<string, unknown>;
      place[last] = setting.name === 'mode' ? this.mode : value;
    }
    return tree;
  }
}
