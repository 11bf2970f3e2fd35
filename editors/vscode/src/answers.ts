// What an agent or a tool server asks a person: collects the answers, one box after another.
// Knows nothing of decisions; leaving a box gives no answer at all.

import { window } from 'vscode';
import type { ElicitationAction, Question } from './generated';
import { withoutIcons } from './text';

const OTHER = 'Another answer…';

/** Asks all questions; returns the answers by the questions' ids, or nothing when the person left. */
export async function answersTo(
  questions: readonly Question[],
): Promise<Record<string, readonly string[]> | undefined> {
  const answers: Record<string, readonly string[]> = {};
  for (const [index, question] of questions.entries()) {
    const title = `Autopilot: question ${index + 1} of ${questions.length}`;
    const answer = await answerTo(question, title);
    if (answer === undefined) return undefined;
    answers[question.id] = [answer];
  }
  return answers;
}

async function answerTo(question: Question, title: string): Promise<string | undefined> {
  if (question.options.length > 0) {
    const items: { label: string; detail: string; value?: string }[] = question.options.map(
      ({ label, description }) => ({
        label: withoutIcons(label),
        detail: withoutIcons(description),
        value: label,
      }),
    );
    if (question.freeText) items.push({ label: OTHER, detail: '' });
    const chosen = await window.showQuickPick(items, {
      title,
      placeHolder: question.text,
      ignoreFocusOut: true,
    });
    if (chosen?.label !== OTHER || chosen.value !== undefined) return chosen?.value;
  }
  return window.showInputBox({
    title,
    prompt: question.text,
    password: question.secret,
    ignoreFocusOut: true,
    validateInput: text => (text === '' ? 'An answer is needed.' : undefined),
  });
}

interface Field {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
}

/** Asks for what a tool server wants, by its schema; nothing when the person left. */
export async function contentFor(action: ElicitationAction): Promise<object | undefined> {
  const content: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fieldsOf(action.contentSchema))) {
    const options = field.enum ?? (field.type === 'boolean' ? ['true', 'false'] : []);
    const question: Question = {
      id: name,
      header: '',
      text: `${action.server} asks: ${field.description ?? field.title ?? name}`,
      options: options.map(label => ({ label, description: '' })),
      freeText: false,
      secret: false,
    };
    const answer = await answerTo(question, `Autopilot: ${name}`);
    if (answer === undefined) return undefined;
    content[name] = valueOf(answer, field.type);
  }
  return content;
}

function valueOf(answer: string, type: string | undefined): unknown {
  if (type === 'boolean') return answer === 'true';
  return type === 'number' || type === 'integer' ? Number(answer) : answer;
}

function fieldsOf(schema: string): Readonly<Record<string, Field>> {
  try {
    return (JSON.parse(schema) as { properties?: Record<string, Field> }).properties ?? {};
  } catch {
    return {};
  }
}
