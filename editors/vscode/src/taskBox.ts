// The box in which a task is typed, with buttons for what goes with it. Knows nothing of where a task goes.

import { ThemeIcon, Uri, window, workspace, type InputBox, type QuickInputButton } from 'vscode';
import type { Reference } from './generated';

/** Something that may be attached. */
export interface Attachment {
  readonly what: string;
  readonly icon: string;
  readonly reference: Reference;
  /** What is said of it in the task. */
  readonly said?: string;
  attached: boolean;
}

export interface Typed {
  readonly text: string;
  /** Files and images that were chosen beside the attachments. */
  readonly files: readonly Uri[];
}

const FILES: QuickInputButton = {
  iconPath: new ThemeIcon('file-media'),
  tooltip: 'Attach an image or a file…',
};

/** Shows the box until the person has typed a task, or leaves. */
export async function typed(
  title: string,
  placeholder: string,
  attachments: readonly Attachment[],
): Promise<Typed | undefined> {
  const box = window.createInputBox();
  box.title = title;
  box.placeholder = placeholder;
  box.ignoreFocusOut = true;
  let files: readonly Uri[] = [];
  let choosing = false;
  const buttons = draw(box, attachments, files);
  try {
    return await new Promise(resolve => {
      const choose = async (): Promise<void> => {
        choosing = true;
        const label = 'Attach';
        files = (await window.showOpenDialog({ canSelectMany: true, openLabel: label })) ?? files;
        choosing = false;
        draw(box, attachments, files, buttons);
        box.show();
      };
      box.onDidTriggerButton(button => {
        const attachment = buttons.get(button);
        if (button === FILES) void choose();
        if (attachment === undefined) return;
        attachment.attached = !attachment.attached;
        draw(box, attachments, files, buttons);
      });
      box.onDidAccept(() => {
        if (box.value.trim() !== '') resolve({ text: box.value.trim(), files });
      });
      box.onDidHide(() => {
        // The dialog for files takes its place in some windows.
        if (!choosing) resolve(undefined);
      });
      box.show();
    });
  } finally {
    box.dispose();
  }
}

function draw(
  box: InputBox,
  attachments: readonly Attachment[],
  files: readonly Uri[],
  buttons = new Map<QuickInputButton, Attachment>(),
): Map<QuickInputButton, Attachment> {
  buttons.clear();
  for (const each of attachments) {
    const tooltip = `${each.attached ? 'Leave out' : 'Attach'} ${each.what}`;
    buttons.set({ iconPath: new ThemeIcon(each.attached ? 'close' : each.icon), tooltip }, each);
  }
  box.buttons = [...buttons.keys(), FILES];
  const attached = [
    ...attachments.filter(each => each.attached).map(each => each.what),
    ...files.map(each => workspace.asRelativePath(each)),
  ];
  box.prompt =
    attached.length > 0 ? `Attached: ${attached.join(', ')}` : 'Enter begins it, Escape leaves it.';
  return buttons;
}
