// Login and logout by the agent's own flow. Keeps no key and no token. Knows nothing of what they are for.

import { env, Uri, window } from 'vscode';
import type { AccountNotification } from './generated';
import type { Caller } from './protocol';
import { withoutLinks } from './text';

export async function login(server: Caller): Promise<void> {
  const account = await server.call('autopilot.account.show', {});
  const methods = [
    { label: '$(globe) In the browser', method: 'browser' as const },
    { label: '$(device-mobile) With a code, on another device', method: 'deviceCode' as const },
    { label: '$(key) With an API key', method: 'apiKey' as const },
  ];
  const chosen = await window.showQuickPick(methods, {
    title: 'Autopilot: log in',
    placeHolder: account.description,
  });
  if (chosen === undefined) return;
  const apiKey =
    chosen.method === 'apiKey'
      ? await window.showInputBox({ title: 'Autopilot: the API key', password: true, ignoreFocusOut: true })
      : null;
  if (apiKey === undefined) return;
  const { loginId, url, userCode } = await server.call('autopilot.account.login', {
    method: chosen.method,
    apiKey,
  });
  if (url === '') return;
  const code = userCode === '' ? '' : ` The code is ${userCode}.`;
  const open = 'Open the Page';
  const text = withoutLinks(`Autopilot: log in at ${url}.${code}`);
  const choice = await window.showInformationMessage(text, open, 'Cancel the Login');
  if (choice === open) await env.openExternal(Uri.parse(url));
  else if (choice !== undefined) await server.call('autopilot.account.cancelLogin', { loginId });
}

export async function logout(server: Caller): Promise<void> {
  const text = 'Log the agent out? It then also is outside of this editor.';
  if ((await window.showWarningMessage(text, { modal: true }, 'Log Out')) === undefined) return;
  await server.call('autopilot.account.logout', {});
}

/** Says how a login went that was begun here or elsewhere. */
export function tellAccount({ account, loginId, error }: AccountNotification): void {
  if (error !== '') void window.showErrorMessage(withoutLinks(`Autopilot: the login failed: ${error}`));
  else if (loginId !== '')
    void window.showInformationMessage(withoutLinks(`Autopilot: ${account.description}`));
}
