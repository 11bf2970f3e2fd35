// Where the server's program is: the setting, the active Python environment, the PATH.
// A folder that is not trusted has no say in it. Knows nothing of what is done with it.

import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import * as path from 'node:path';
import { extensions, workspace } from 'vscode';

const NAME = process.platform === 'win32' ? 'autopilot-ls.exe' : 'autopilot-ls';
const PYTHON = 'ms-python.python';

/** The part of the Python extension's interface that is used. */
interface Python {
  readonly environments: {
    getActiveEnvironmentPath(): { readonly path: string };
    resolveEnvironment(
      environment: unknown,
    ): Promise<{ readonly executable: { readonly uri?: { readonly fsPath: string } } } | undefined>;
  };
}

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** Where it was found, for the log. */
  readonly from: string;
}

/** Returns the server's program, or nothing when it is nowhere. */
export async function locate(setting: readonly string[]): Promise<Program | undefined> {
  const [command, ...args] = setting;
  if (command !== undefined) return { command, args, from: 'the setting autopilot.server.command' };
  const active = workspace.isTrusted ? await inPython() : undefined;
  if (active !== undefined) return { command: active, args: [], from: 'the active Python environment' };
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter)) {
    // A relative folder would be looked for in the workspace.
    if (path.isAbsolute(folder) && (await isProgram(path.join(folder, NAME)))) {
      return { command: path.join(folder, NAME), args: [], from: 'the PATH' };
    }
  }
  return undefined;
}

async function inPython(): Promise<string | undefined> {
  const extension = extensions.getExtension<Python>(PYTHON);
  if (extension === undefined) return undefined;
  try {
    const { environments } = await extension.activate();
    const found = await environments.resolveEnvironment(environments.getActiveEnvironmentPath());
    const python = found?.executable.uri?.fsPath;
    if (python === undefined) return undefined;
    const program = path.join(path.dirname(python), NAME);
    return (await isProgram(program)) ? program : undefined;
  } catch {
    return undefined; // The PATH is looked at next.
  }
}

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
