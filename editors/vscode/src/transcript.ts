// Transcripts as virtual documents that follow along: who looks at the end keeps looking at the end.
// Knows nothing of what they say.

import {
  Range,
  Selection,
  TextEditorRevealType,
  Uri,
  window,
  workspace,
  type Disposable,
  type TextDocument,
  type TextEditor,
} from 'vscode';
import { SCHEME } from './documents';

/** Lines from the end that count as looking at the end. */
const NEAR = 3;

export class Transcripts implements Disposable {
  private readonly following = new Set<string>();
  private readonly subscriptions: Disposable[];

  constructor() {
    this.subscriptions = [
      workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0 && this.following.has(document.uri.toString())) follow(document);
      }),
      window.onDidChangeTextEditorVisibleRanges(({ textEditor, visibleRanges }) => {
        const { document } = textEditor;
        if (!isTranscript(document)) return;
        const last = visibleRanges.at(-1)?.end.line ?? 0;
        if (last >= document.lineCount - 1 - NEAR) this.following.add(document.uri.toString());
        else this.following.delete(document.uri.toString());
      }),
      workspace.onDidCloseTextDocument(({ uri }) => this.following.delete(uri.toString())),
    ];
  }

  /** Shows a session's transcript, at its end. */
  async open(sessionId: string): Promise<void> {
    const uri = Uri.from({ scheme: SCHEME, path: `/transcript/${sessionId}.md` });
    const document = await workspace.openTextDocument(uri);
    await window.showTextDocument(document, { preview: false });
    this.following.add(uri.toString());
    follow(document);
  }

  dispose(): void {
    for (const each of this.subscriptions) each.dispose();
  }
}

function isTranscript(document: TextDocument): boolean {
  return document.uri.scheme === SCHEME && document.uri.path.startsWith('/transcript/');
}

function follow(document: TextDocument): void {
  const end = document.lineAt(document.lineCount - 1).range.end;
  const editors: readonly TextEditor[] = window.visibleTextEditors.filter(each => each.document === document);
  for (const editor of editors) {
    editor.selection = new Selection(end, end);
    editor.revealRange(new Range(end, end), TextEditorRevealType.Default);
  }
}
