// The connection to the server: starts it, restarts it with a notice, carries out its commands.
// Knows neither sessions nor views; what the server tells goes to who listens.

import { EventEmitter, window, workspace, type Disposable, type LogOutputChannel } from 'vscode';
import {
  CloseAction,
  ErrorAction,
  ExecuteCommandRequest,
  LanguageClient,
  State,
  type LanguageClientOptions,
} from 'vscode-languageclient/node';
import { failed } from './failures';
import type { Commands, Mode, Notifications } from './generated';
import { locate } from './locate';
import { errorOf, Unanswered, type Caller, type CommandName } from './protocol';
import type { Settings } from './settings';
import type { ServerState } from './store';
import { restrained } from './trust';

const RESTARTS = 4;
const WITHIN = 3 * 60_000;

/** Carries out a command in another way than by handing it on; nothing for those it leaves alone. */
export type Override = (name: string, argument: object) => Promise<unknown> | undefined;

export class Server implements Caller, Disposable {
  private readonly states = new EventEmitter<ServerState>();
  readonly onDidChangeState = this.states.event;
  private readonly told = new EventEmitter<{ name: string; params: unknown }>();
  private client: LanguageClient | undefined;
  private ends: number[] = [];
  private gone = false;
  /** The settings that the server was started with. */
  sent: { readonly fixed: string; readonly mode: Mode } | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly log: LogOutputChannel,
    private readonly override: Override,
  ) {}

  get connected(): boolean {
    return this.client?.state === State.Running;
  }

  /** Hears a notification of the server. */
  on<N extends keyof Notifications>(name: N, listener: (params: Notifications[N]) => void): Disposable {
    return this.told.event(each => {
      if (each.name === name) listener(each.params as Notifications[N]);
    });
  }

  async start(): Promise<void> {
    const program = await locate(this.settings.command);
    if (program === undefined) {
      this.states.fire('missing');
      return;
    }
    this.sent = { fixed: this.settings.fixed, mode: this.settings.mode };
    this.log.info(`The server is ${program.command}, from ${program.from}.`);
    this.states.fire('starting');
    const args = [...program.args, '--stdio', ...(this.settings.shared ? ['--remote=auto'] : [])];
    const client = new LanguageClient(
      'autopilot',
      'Autopilot',
      { command: program.command, args, options: {} },
      this.options(),
    );
    this.client = client;
    client.registerFeature({
      fillClientCapabilities: capabilities => {
        // What goes on is shown by the client itself.
        if (capabilities.window !== undefined) capabilities.window.workDoneProgress = false;
        capabilities.experimental = {
          ...(capabilities.experimental as object),
          autopilot: { events: false },
        };
      },
      initialize: () => undefined,
      getState: () => ({ kind: 'static' }),
      clear: () => undefined,
    });
    for (const name of [
      'autopilot/status',
      'autopilot/approval',
      'autopilot/reload',
      'autopilot/account',
    ] as const) {
      client.onNotification(name, (params: unknown) => {
        this.told.fire({ name, params });
      });
    }
    client.onRequest('autopilot/save', async ({ uris }: { uris: readonly string[] }) => ({
      saved: await save(uris),
    }));
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Running) this.states.fire('ready');
      else this.states.fire(newState === State.Starting || this.restarting ? 'starting' : 'stopped');
    });
    try {
      await client.start();
    } catch (error) {
      this.states.fire('stopped');
      this.log.error(String(error));
    }
  }

  async restart(): Promise<void> {
    this.ends = [];
    await this.stop();
    await this.start();
  }

  async call<N extends CommandName>(
    name: N,
    argument: Commands[N]['argument'],
  ): Promise<Commands[N]['result']> {
    const client = this.client;
    if (client?.state !== State.Running) throw new Unanswered('The server is not running.');
    try {
      return (await client.sendRequest(ExecuteCommandRequest.type, {
        command: name,
        arguments: [restrained(name, argument)],
      })) as Commands[N]['result'];
    } catch (error) {
      throw errorOf(error, client === this.client && this.connected);
    }
  }

  private get restarting(): boolean {
    return this.ends.length > 0 && this.ends.length < RESTARTS && !this.gone;
  }

  private options(): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: 'file' }, { scheme: 'autopilot' }],
      outputChannel: this.log,
      initializationOptions: this.settings.initial,
      progressOnInitialization: false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => this.closed(),
      },
      initializationFailedHandler: error => {
        this.log.error(`The server did not start: ${String(error)}`);
        return false;
      },
      middleware: {
        workspace: {
          configuration: () => [this.settings.asked],
          // The server asks for what it needs: what the editor would push holds the client's own settings.
          didChangeConfiguration: async () => {
            await this.client?.sendNotification('workspace/didChangeConfiguration', { settings: null });
          },
        },
        executeCommand: (name, args: unknown[]) => {
          const argument = args[0] ?? {};
          return (this.override(name, argument) ?? this.call(name as CommandName, argument as never)).catch(
            failed,
          );
        },
      },
    };
  }

  private closed(): { action: CloseAction; handled: boolean } {
    const now = Date.now();
    this.ends = [...this.ends.filter(end => now - end < WITHIN), now];
    if (this.restarting) {
      this.notice('The Autopilot server stopped unexpectedly and is started again.');
      return { action: CloseAction.Restart, handled: true };
    }
    this.notice(
      `The Autopilot server stopped ${this.ends.length} times in 3 minutes and is not started again.`,
    );
    return { action: CloseAction.DoNotRestart, handled: true };
  }

  private notice(text: string): void {
    void window.showWarningMessage(text, 'Show the Log', 'Restart').then(choice => {
      if (choice === 'Show the Log') this.log.show();
      if (choice === 'Restart') void this.restart();
    });
  }

  private async stop(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client?.needsStop() === true) await client.stop().catch(() => undefined);
    await client?.dispose().catch(() => undefined);
  }

  /** Ends the connection; with a shared server, its work goes on. */
  async end(): Promise<void> {
    this.gone = true;
    await this.stop();
  }

  dispose(): void {
    this.states.dispose();
    this.told.dispose();
  }
}

/** Saves documents; returns those that are saved now. */
async function save(uris: readonly string[]): Promise<readonly string[]> {
  const wanted = new Set(uris);
  const documents = workspace.textDocuments.filter(each => wanted.has(each.uri.toString()));
  const saved = await Promise.all(documents.map(async each => !each.isDirty || (await each.save())));
  return documents.filter((_, index) => saved[index]).map(each => each.uri.toString());
}
