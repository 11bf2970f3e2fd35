// A task with what it is about: the selection, the file, the problems there.
// Knows nothing of what becomes of it.

import { languages, Uri, window, workspace, type Diagnostic, type Range, type TextEditor } from 'vscode';
import type { AttachedFile, Reference } from './generated';
import { typed, type Attachment } from './taskBox';
import { count, shortened } from './text';

export interface Task {
  readonly text: string;
  readonly references: readonly Reference[];
  readonly attachments: readonly AttachedFile[];
  readonly cwd: string | undefined;
}

const MAX_PROBLEMS = 20;

/** Asks for a task about what is selected; nothing when the person leaves. */
export async function askTask(title: string, placeholder: string, place?: Uri): Promise<Task | undefined> {
  const found = place === undefined ? inEditor(window.activeTextEditor) : ofFile(place);
  const answer = await typed(title, placeholder, found);
  if (answer === undefined) return undefined;
  const attached = found.filter(each => each.attached);
  const said = attached.flatMap(each => (each.said === undefined ? [] : [each.said]));
  return {
    text: [answer.text, ...said].join('\n\n'),
    references: attached.map(each => each.reference),
    attachments: answer.files.map(each => ({ uri: each.toString() })),
    cwd: folderOf(place ?? window.activeTextEditor?.document.uri),
  };
}

/** Returns the task to mend the problems at the cursor, else in the file; nothing where there are none. */
export function fixTask(): Task | undefined {
  const editor = window.activeTextEditor;
  if (editor === undefined) return undefined;
  const { uri } = editor.document;
  const all = problemsIn(uri);
  const here = all.filter(each => each.range.intersection(editor.selection) !== undefined);
  const problems = (here.length > 0 ? here : all).slice(0, MAX_PROBLEMS);
  if (problems.length === 0) return undefined;
  return {
    text: `Fix ${problems.length === 1 ? 'this problem' : 'these problems'}:\n${listed(problems)}`,
    references: problems.map(({ range }) => ({ uri: uri.toString(), range: plain(range) })),
    attachments: [],
    cwd: folderOf(uri),
  };
}

/** The workspace folder of a file, else the first one. */
export function folderOf(uri: Uri | undefined): string | undefined {
  const own = uri === undefined ? undefined : workspace.getWorkspaceFolder(uri);
  return (own ?? workspace.workspaceFolders?.[0])?.uri.toString();
}

function inEditor(editor: TextEditor | undefined): readonly Attachment[] {
  if (editor?.document.uri.scheme !== 'file') return [];
  const { document, selection } = editor;
  const uri = document.uri.toString();
  const name = workspace.asRelativePath(document.uri);
  const lines = `${name}:${selection.start.line + 1}–${selection.end.line + 1}`;
  const problems = problemsIn(document.uri).slice(0, MAX_PROBLEMS);
  return [
    selection.isEmpty
      ? { what: name, icon: 'file', reference: { uri }, attached: false }
      : { what: lines, icon: 'selection', reference: { uri, range: plain(selection) }, attached: true },
    ...(problems.length === 0
      ? []
      : [
          {
            what: count(problems.length, 'problem'),
            icon: 'warning',
            reference: { uri },
            said: `Problems in ${name}:\n${listed(problems)}`,
            attached: false,
          },
        ]),
  ];
}

function ofFile(uri: Uri): readonly Attachment[] {
  const what = workspace.asRelativePath(uri);
  return [{ what, icon: 'file', reference: { uri: uri.toString() }, attached: true }];
}

function problemsIn(uri: Uri): readonly Diagnostic[] {
  return languages.getDiagnostics(uri).filter(each => each.source !== 'autopilot');
}

function listed(problems: readonly Diagnostic[]): string {
  return problems
    .map(
      each => `- line ${each.range.start.line + 1}: ${shortened(each.message, 500)} (${each.source ?? ''})`,
    )
    .join('\n');
}

function plain(range: Range): NonNullable<Reference['range']> {
  const { start, end } = range;
  return {
    start: { line: start.line, character: start.character },
    end: { line: end.line, character: end.character },
  };
}
