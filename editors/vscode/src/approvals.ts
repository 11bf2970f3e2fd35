// Deciding: sends a person's decision, and sees to it that none is lost when the server ends meanwhile.
// Knows no view; what is shown of a patch is the review's affair.

import { window, workspace, type Disposable } from 'vscode';
import { answersTo, contentFor } from './answers';
import { failed } from './failures';
import type { ApprovalDecideParams, ApprovalMarkParams, DecisionKind, PendingApproval } from './generated';
import { ServerError, Unanswered, type Caller } from './protocol';
import type { Store } from './store';
import { count, withoutIcons, withoutLinks } from './text';

type Details = Omit<ApprovalDecideParams, 'approvalId' | 'decision'>;

/** A decision that was sent and has no answer yet. */
interface Sent {
  readonly pending: PendingApproval;
  readonly sessionId: string;
  readonly decision: DecisionKind;
  readonly details: Details;
}

const VERBS: Readonly<Record<DecisionKind, string>> = {
  accept: 'Accept',
  acceptForSession: 'Accept for This Session',
  decline: 'Reject',
  cancel: 'Reject and Stop',
};

export class Approvals implements Disposable {
  private readonly lost = new Map<string, Sent>();

  constructor(
    private readonly caller: Caller,
    private readonly store: Store,
    private readonly show: (approvalId: string) => Promise<void>,
    private readonly openTranscript: (sessionId: string) => Promise<void>,
  ) {}

  /** Decides on an approval; asks for what the decision needs. */
  async decide(approvalId: string, decision: DecisionKind, details: Details = {}): Promise<void> {
    const waiting = this.store.waits(approvalId);
    if (waiting === undefined) {
      void window.showInformationMessage('Autopilot: this no longer waits for a decision.');
      return;
    }
    const accepts = decision === 'accept' || decision === 'acceptForSession';
    if (accepts && !(await this.overrides(approvalId))) return;
    const complete = accepts ? await this.completed(approvalId, details) : details;
    if (complete === undefined) return;
    const { pending, session } = waiting;
    await this.send({ pending, sessionId: session.sessionId, decision, details: complete });
  }

  private async send(sent: Sent): Promise<void> {
    const { pending, decision, details } = sent;
    this.store.setDeciding(pending.id, true);
    try {
      await this.caller.call('autopilot.approval.decide', { approvalId: pending.id, decision, ...details });
      this.store.forget(pending.id);
    } catch (error) {
      if (error instanceof Unanswered) this.lost.set(pending.id, sent);
      else if (error instanceof ServerError && error.code === 'decision-refused') {
        // The person may take long over it: that is not on its way.
        this.refused(sent, error).catch(failed);
      } else failed(error);
    } finally {
      this.store.setDeciding(pending.id, false);
    }
  }

  /** The accept was refused before anything happened, such as because of unsaved text. */
  private async refused(sent: Sent, error: ServerError): Promise<void> {
    const dirty = workspace.textDocuments.filter(
      each => each.isDirty && sent.pending.paths.includes(each.uri.fsPath),
    );
    const save = 'Save and Accept';
    const merge = 'Accept Without Saving';
    const offers = dirty.length > 0 && sent.details.unsaved !== 'merge' ? [save, merge] : [];
    const text = withoutLinks(`Autopilot: ${error.message}`);
    const choice = await window.showWarningMessage(text, 'Show', ...offers);
    if (choice === 'Show') await this.show(sent.pending.id);
    if (choice === save) {
      const saved = await Promise.all(dirty.map(async each => each.save()));
      if (saved.every(Boolean)) await this.send(sent);
    }
    if (choice === merge) await this.send({ ...sent, details: { ...sent.details, unsaved: 'merge' } });
  }

  /** Asks, where accepting a whole patch would accept what was rejected of it. */
  private async overrides(approvalId: string): Promise<boolean> {
    const marks = this.store.approval(approvalId)?.marks ?? [];
    const rejected = marks.filter(each => each.mark === 'reject').length;
    if (rejected === 0) return true;
    const all = 'Accept All the Same';
    const text = `Autopilot: you rejected ${count(rejected, 'hunk')} of this patch.`;
    const choice = await window.showWarningMessage(text, 'Show', all);
    if (choice === 'Show') await this.show(approvalId);
    return choice === all;
  }

  private async completed(approvalId: string, details: Details): Promise<Details | undefined> {
    const action = this.store.approval(approvalId)?.action;
    if (action?.type === 'question') {
      const answers = await answersTo(action.questions);
      return answers && { ...details, answers };
    }
    if (action?.type === 'elicitation') {
      const content = await contentFor(action);
      return content && { ...details, content };
    }
    return details;
  }

  /** Opens the Refactor Preview, whose ticked hunks are accepted in the editor and the others rejected. */
  async preview(approvalId: string): Promise<void> {
    await this.caller.call('autopilot.approval.preview', { approvalId, view: 'edit' });
  }

  /** Rejects, with what the person wants the agent to know. */
  async rejectWithReason(approvalId: string): Promise<void> {
    const message = await window.showInputBox({
      title: 'Autopilot: reject',
      prompt: 'What should the agent do instead?',
      ignoreFocusOut: true,
    });
    if (message !== undefined) await this.decide(approvalId, 'decline', { message });
  }

  /** Chooses for single hunks of a patch. */
  async mark(
    approvalId: string,
    hunks: readonly string[],
    mark: ApprovalMarkParams['mark'],
    details: Pick<ApprovalMarkParams, 'message' | 'unsaved'> = {},
  ): Promise<void> {
    try {
      const { decision, marks } = await this.caller.call('autopilot.approval.mark', {
        approvalId,
        hunks,
        mark,
        ...details,
      });
      if (decision !== null) this.store.forget(approvalId);
      else this.store.setMarks(approvalId, marks);
    } catch (error) {
      failed(error);
    }
  }

  /** Offers all decisions on an approval; the first choice decides nothing. */
  async menu(approvalId: string): Promise<void> {
    const waiting = this.store.waits(approvalId);
    if (waiting === undefined) return;
    const { pending, session } = waiting;
    const decide = (decision: DecisionKind, icon: string, detail = ''): Choice => ({
      label: `$(${icon}) ${VERBS[decision]}`,
      detail,
      run: () => this.decide(approvalId, decision),
    });
    const offers = this.store.approval(approvalId)?.offers ?? [];
    const choices: Choice[] = [
      pending.kind === 'patch'
        ? { label: '$(diff-multiple) Show the changes', run: () => this.show(approvalId) }
        : { label: '$(output) Show the transcript', run: () => this.openTranscript(session.sessionId) },
      ...(pending.kind === 'patch'
        ? [
            {
              label: '$(checklist) Choose hunks in the Refactor Preview',
              run: () => this.preview(approvalId),
            },
          ]
        : []),
      ['question', 'elicitation'].includes(pending.kind)
        ? { label: '$(edit) Answer…', run: () => this.decide(approvalId, 'accept') }
        : decide('accept', 'check'),
      ...(['command', 'patch'].includes(pending.kind)
        ? [decide('acceptForSession', 'check-all', 'The like no longer asks, until the session ends')]
        : []),
      ...offers.map(offer => ({
        label: `$(pinned) ${withoutIcons(offer.label)}`,
        run: () => this.decide(approvalId, 'accept', { remember: offer.key }),
      })),
      decide('decline', 'close'),
      { label: '$(comment) Reject with a reason…', run: () => this.rejectWithReason(approvalId) },
      decide('cancel', 'debug-stop', 'The turn ends'),
    ];
    const placeHolder = pending.why;
    const chosen = await window.showQuickPick(choices, { title: pending.title, placeHolder });
    await chosen?.run();
  }

  /** Says what became of decisions that had no answer when the server ended; asks again where one waits. */
  recover(): void {
    const lost = [...this.lost.values()];
    this.lost.clear();
    for (const sent of lost) void this.askAgain(sent);
  }

  private async askAgain(sent: Sent): Promise<void> {
    const { pending, decision } = sent;
    const what = `Autopilot: the server stopped before it took your answer (${VERBS[decision]}) to “${pending.title}”.`;
    if (this.store.waits(pending.id) === undefined) {
      const text = withoutLinks(`${what} It no longer waits; the transcript tells what became of it.`);
      const choice = await window.showWarningMessage(text, 'Show the Transcript');
      if (choice !== undefined) await this.openTranscript(sent.sessionId);
      return;
    }
    const text = withoutLinks(`${what} It still waits.`);
    const choice = await window.showWarningMessage(text, 'Show', VERBS[decision]);
    if (choice === 'Show') await this.show(pending.id);
    else if (choice !== undefined) await this.send(sent);
  }

  dispose(): void {
    this.lost.clear();
  }
}

interface Choice {
  readonly label: string;
  readonly detail?: string;
  run(): Promise<void>;
}
