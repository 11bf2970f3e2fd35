// Generated from schemas/lsp.json by `make schemas`; do not edit.
// The types of what goes between client and server. Knows no editor and no logic.

/** The agent's login. */
export interface Account {
  loggedIn: boolean;
  needed: boolean;
  description: string;
}

/** Names a login that goes on. */
export interface AccountCancelLoginParams {
  loginId: string;
}

/** A login that has begun, or is done. */
export interface AccountLogin {
  loginId: string;
  url: string;
  userCode: string;
}

/** Log the agent in, by its own flow. */
export interface AccountLoginParams {
  method?: "browser" | "deviceCode" | "apiKey";
  apiKey?: string | null;
}

/** The agent's account changed, or a login has ended. */
export interface AccountNotification {
  account: Account;
  loginId: string;
  error: string;
}

/** A sub-agent. */
export interface AgentShown {
  threadId: string;
  name: string;
  state: "working" | "waiting" | "idle";
  tokens: number;
  doing: string;
}

/** A blocking request of an agent for permission or input. */
export interface Approval {
  id: string;
  sessionId: string;
  nativeKey: string;
  threadId: string | null;
  turnId: string | null;
  itemId: string | null;
  action: CommandAction | PatchAction | PermissionAction | QuestionAction | ElicitationAction | ToolAction;
  reason: string;
  files: readonly FileChange[];
  marks: readonly HunkMark[];
  verdict: Verdict;
  offers: readonly RememberOffer[];
  requestedAt: number;
}

/** Answer one question; an answer that is given twice is the later one. */
export interface ApprovalAnswerParams {
  approvalId: string;
  questionId: string;
  answers: readonly string[];
}

/** The questions that still lack an answer; the decision is made when there are none. */
export interface ApprovalAnswered {
  approvalId: string;
  missing: readonly string[];
}

/** Give the one decision on an approval. */
export interface ApprovalDecideParams {
  approvalId: string;
  decision: DecisionKind;
  message?: string;
  answers?: Readonly<Record<string, readonly string[]>>;
  content?: JsonValue;
  hunks?: readonly string[] | null;
  reasons?: Readonly<Record<string, string>>;
  remember?: string | null;
  unsaved?: "refuse" | "save" | "merge";
}

/** The decision as it was carried out. */
export interface ApprovalDecided {
  approvalId: string;
  decision: Decision;
}

/** The documents of a patch that waits, for `workspace/textDocumentContent`. */
export interface ApprovalDocuments {
  approvalId: string;
  diff: string;
  files: readonly FileDocuments[];
}

/** What waits for a decision, oldest first. */
export interface ApprovalList {
  approvals: readonly Approval[];
  documents: readonly ApprovalDocuments[];
}

/** Choose for single hunks of a pending patch. */
export interface ApprovalMarkParams {
  approvalId: string;
  hunks: readonly string[];
  mark: "accept" | "reject" | "none";
  message?: string;
  unsaved?: "refuse" | "save" | "merge";
}

/** The choices so far. */
export interface ApprovalMarked {
  approvalId: string;
  marks: readonly HunkMark[];
  missing: readonly string[];
  decision: Decision | null;
}

/** An approval waits while `decision` is null. */
export interface ApprovalNotification {
  sessionId: string;
  approvalId: string;
  approval: Approval | null;
  decision: Decision | null;
}

/** Show a pending patch. */
export interface ApprovalPreviewParams {
  approvalId: string;
  view?: "auto" | "edit" | "document";
}

/** What was shown and how. */
export interface ApprovalPreviewed {
  shown: "edit" | "document" | "none";
  uri: string;
  diff: string;
}

/** A file that goes with a message: an image is shown to the model, any other is named to it. */
export interface AttachedFile {
  uri: string;
}

/** A file that goes with a message. */
export interface Attachment {
  path: string;
  kind: "image" | "file";
}

/** What a proposed change does to a file. */
export type ChangeKind = "add" | "delete" | "update";

/** A change to be reviewed. */
export interface ChangeShown {
  id: string;
  path: string;
  uri: string;
  before: string;
  kind: "hunk" | "add" | "delete" | "whole" | "mode";
  line: number;
  author: "agent" | "unattributed";
  by: string;
  turns: readonly string[];
  old: readonly string[];
  new: readonly string[];
  removed: number;
  added: number;
}

/** A file that the turn changed. */
export interface ChangedFile {
  path: string;
  uri: string;
  added: number;
  removed: number;
  kind: "add" | "update" | "delete" | "rename";
}

/** Says which changes are meant; what is given adds up, and something must be given. */
export interface ChangesChosenParams {
  cwd?: string | null;
  ids?: readonly string[];
  paths?: readonly string[];
  turn?: string | null;
  all?: boolean;
}

/** The changes that need no review any more, by their ids. */
export interface ChangesKept {
  kept: readonly string[];
}

/** What is to be reviewed in a workspace. */
export interface ChangesList {
  cwd: string;
  changes: readonly ChangeShown[];
  total: number;
  turns: readonly TurnUndoable[];
  undone: readonly UndoneShown[];
  notices: readonly string[];
}

/** Names the workspace whose changes are listed. */
export interface ChangesListParams {
  cwd?: string | null;
  sessionId?: string | null;
}

/** What was taken back, or done again. */
export interface ChangesUndone {
  undoId: string;
  written: readonly string[];
  left: readonly string[];
}

/** Running a command, or typing into one that runs. */
export interface CommandAction {
  type: "command";
  command: string;
  cwd: string;
  escalated: boolean;
  typesInput: boolean;
  networkHost: string | null;
  permissions: readonly string[];
}

/** The one answer to an approval. */
export interface Decision {
  kind: DecisionKind;
  decidedBy: string;
  message: string;
  answers: Readonly<Record<string, readonly string[]>>;
  content: string | null;
  hunks: readonly string[] | null;
  reasons: Readonly<Record<string, string>>;
  inEditor: boolean;
  merged: readonly string[];
  remembered: string;
}

/** The possible decisions; `acceptForSession` is an accept that adds a grant of our own. */
export type DecisionKind = "accept" | "acceptForSession" | "decline" | "cancel";

/** The command was carried out. */
export interface Done {
  done: true;
}

/** An MCP server asks the person for input. */
export interface ElicitationAction {
  type: "elicitation";
  server: string;
  message: string;
  contentSchema: string;
  url: string | null;
}

/** A proposed change in the form that is reviewed: exact hunks. */
export interface FileChange {
  path: string;
  kind: ChangeKind;
  moveTo: string | null;
  hunks: readonly Hunk[];
  problem: string;
}

/** A file of a patch as documents to compare. */
export interface FileDocuments {
  path: string;
  before: string | null;
  after: string | null;
}

/** One remark of a reviewer. */
export interface Finding {
  id: string;
  title: string;
  body: string;
  path: string;
  startLine: number;
  endLine: number;
  priority: number | null;
}

/** A "for this session" rule of our own: exactly this command, or edits of exactly these files. */
export interface Grant {
  id: string;
  command: string | null;
  cwd: string | null;
  paths: readonly string[];
  grantedBy: string;
}

/** Names a grant of a session. */
export interface GrantRevokeParams {
  sessionId: string;
  grantId: string;
}

/** One contiguous change in one file, the unit of review. */
export interface Hunk {
  id: string;
  oldStart: number;
  oldLines: readonly string[];
  newStart: number;
  newLines: readonly string[];
}

/** The choice for one hunk, or for a change without hunks; see `review.units_of` for the ids. */
export interface HunkMark {
  hunkId: string;
  mark: Mark;
  message: string;
  markedBy: string;
}

/** What the agent does now. */
export interface ItemShown {
  kind: "message" | "reasoning" | "plan" | "command" | "patch" | "tool" | "search" | "agent" | "other";
  title: string;
}

export type JsonValue = unknown;

/** What the person has chosen for one hunk while the approval still waits. */
export type Mark = "accept" | "reject";

/** How autonomous a session may be. */
export type Mode = "read-only" | "propose" | "auto" | "escalate";

/** The mode from now on, of one session or of new ones. */
export interface ModeSetParams {
  mode: Mode;
  sessionId?: string | null;
}

/** A model that the agent offers. */
export interface Model {
  id: string;
  name: string;
  description: string;
  efforts: readonly string[];
  defaultEffort: string;
  isDefault: boolean;
}

/** The models that the agent offers. */
export interface ModelList {
  models: readonly Model[];
}

/** Where to ask; the first workspace folder when omitted. */
export interface ModelListParams {
  cwd?: string | null;
}

/** A command without arguments. */
export interface NoParams {
}

/** Names a session, or leaves the choice to the command. */
export interface OptionalSessionParams {
  sessionId?: string | null;
}

/** What the policy says. */
export type Outcome = "allow" | "ask" | "deny";

/** Changing files. */
export interface PatchAction {
  type: "patch";
  changes: readonly ProposedChange[];
  grantRoot: string | null;
}

/** An approval that waits. */
export interface PendingApproval {
  id: string;
  kind: string;
  title: string;
  rule: string;
  risk: "low" | "high";
  alarm: string;
  why: string;
  age: number;
  requestedAt: number;
  paths: readonly string[];
  hunks: number;
  threadId: string | null;
}

/** Widening the sandbox for the rest of a turn. */
export interface PermissionAction {
  type: "permission";
  cwd: string;
  permissions: readonly string[];
  native: string;
}

/** One step of a plan. */
export interface PlanStep {
  step: string;
  status: "pending" | "inProgress" | "completed";
}

/** Ask what the policy says to a command line. */
export interface PolicyExplainParams {
  command: string;
  cwd?: string | null;
  mode?: Mode | null;
}

/** The verdict on a command line, which is that of its most cautious part. */
export interface PolicyExplained {
  command: string;
  cwd: string;
  mode: Mode;
  outcome: Outcome;
  rule: string;
  source: string;
  reason: string;
  part: string;
  risk: "low" | "high";
  why: string;
  parts: readonly PolicyPart[];
}

/** A policy file that is there. */
export interface PolicyFileShown {
  path: string;
  kind: "user" | "remembered" | "workspace";
  state: "inForce" | "notTrusted" | "broken";
  rules: number;
  problems: readonly string[];
  cwd: string;
  hash: string;
}

/** Names remembered rules; all of them are forgotten, or none. */
export interface PolicyForgetParams {
  names: readonly string[];
}

/** What was remembered, in the order it was. */
export interface PolicyList {
  rules: readonly RememberedRule[];
}

/** What one part of a command line gets. */
export interface PolicyPart {
  part: string;
  outcome: Outcome;
  rule: string;
  source: string;
  reason: string;
  risk: "low" | "high";
  hard: boolean;
}

/** Trust a workspace's policy. */
export interface PolicyTrustParams {
  cwd: string;
  hash: string;
}

/** Whether the policy is trusted now, and whether it was before. */
export interface PolicyTrusted {
  path: string;
  trusted: boolean;
  before: boolean;
}

/** Names the folder whose policy is trusted no longer. */
export interface PolicyUntrustParams {
  cwd: string;
}

/** A position as the protocol has it, in the unit agreed on. */
export interface Position {
  line: number;
  character: number;
}

/** Something that went wrong. */
export interface Problem {
  level: "error" | "warning";
  code: string;
  text: string;
  at: number;
}

/** A change to one file as the agent worded it. */
export interface ProposedChange {
  path: string;
  kind: ChangeKind;
  moveTo: string | null;
  form: "unified" | "content";
  text: string;
}

/** A question of the agent to the person. */
export interface Question {
  id: string;
  header: string;
  text: string;
  options: readonly QuestionOption[];
  freeText: boolean;
  secret: boolean;
}

/** Asking the person something. */
export interface QuestionAction {
  type: "question";
  questions: readonly Question[];
}

/** One answer that the agent offers. */
export interface QuestionOption {
  label: string;
  description: string;
}

/** What the person wrote and the agent gets when the turn ends. */
export interface QueuedMessage {
  id: string;
  text: string;
  held: boolean;
}

/** Names a message that waits. */
export interface QueuedMessageParams {
  sessionId: string;
  messageId: string;
}

/** A range as the protocol has it. */
export interface Range {
  start: Position;
  end: Position;
}

/** One limit of the account: how much of it is used, and when it starts anew. */
export interface RateLimit {
  name: string;
  usedPercent: number;
  resetsAt: number | null;
}

/** A place that the person points at. */
export interface Reference {
  uri: string;
  range?: Range | null;
}

/** Files that changed on disk. */
export interface ReloadNotification {
  uris: readonly string[];
}

/** Something that can be remembered with an accept. */
export interface RememberOffer {
  key: string;
  label: string;
}

/** A rule that "always allow" wrote. */
export interface RememberedRule {
  name: string;
  verdict: string;
  kind: string;
  pattern: string;
  workspace: string;
  reason: string;
  by: string;
  at: string;
}

/** Names findings of a session's last review; all of them when none is named. */
export interface ReviewDismissParams {
  sessionId: string;
  findings?: readonly string[];
}

/** Have the agent's reviewer look at changes. */
export interface ReviewStartParams {
  sessionId?: string | null;
  cwd?: string | null;
  target?: ReviewTarget;
}

/** What is to be reviewed. */
export interface ReviewTarget {
  type?: "uncommittedChanges" | "baseBranch" | "commit" | "custom";
  branch?: string | null;
  sha?: string | null;
  instructions?: string | null;
}

/** A command that runs. */
export interface RunningCommand {
  id: string;
  command: string;
  cwd: string;
  startedAt: number;
  tail: readonly string[];
  background: boolean;
  threadId: string | null;
}

/** Put a session away, or with `archived: false` back among the others. */
export interface SessionArchiveParams {
  sessionId: string;
  archived?: boolean;
}

/** Names a session to go on from in a new one. */
export interface SessionForkParams {
  sessionId: string;
  turnId?: string | null;
}

/** The new session. */
export interface SessionForked {
  sessionId: string;
}

/** All sessions, newest first. */
export interface SessionList {
  sessions: readonly SessionSummary[];
}

/** Which sessions to list. */
export interface SessionListParams {
  archived?: boolean;
  cwd?: string | null;
}

/** Names a session. */
export interface SessionParams {
  sessionId: string;
}

/** Give a session another title. */
export interface SessionRenameParams {
  sessionId: string;
  title: string;
}

/** The session is open again. */
export interface SessionResumed {
  sessionId: string;
  threadId: string | null;
  alive: boolean;
}

/** One session; `transcript` is its story so far as markdown. */
export interface SessionShown {
  sessionId: string;
  title: string;
  cwd: string;
  runtime: string;
  model: string;
  mode: Mode;
  alive: boolean;
  threadId: string | null;
  turns: readonly TurnShown[];
  pending: readonly Approval[];
  grants: readonly Grant[];
  queue: readonly WaitingMessage[];
  findings: readonly Finding[];
  archived: boolean;
  forkedFrom: string;
  transcript: string;
}

/** A session in a list; times are seconds since the epoch. */
export interface SessionSummary {
  id: string;
  cwd: string;
  runtime: string;
  title: string;
  createdAt: number;
  updatedAt: number;
  turns: number;
  state: string;
  mode: Mode;
  threadId: string | null;
  archived: boolean;
  findings: number;
  sizeBytes: number;
  inUse: boolean;
}

/** The status of a session. */
export interface StatusNotification {
  status: StatusView;
}

/** Which sessions are meant: the one that is named, the open ones of a folder, or all open ones. */
export interface StatusParams {
  sessionId?: string | null;
  cwd?: string | null;
}

/** The status of open sessions, the tasks that wait for files to be saved, and the policy's files. */
export interface StatusResult {
  sessions: readonly StatusView[];
  mode: Mode;
  waitingTasks: readonly WaitingTaskShown[];
  policies: readonly PolicyFileShown[];
}

/** A session at a glance: whole and bounded each time, so that a client just replaces what it has. */
export interface StatusView {
  seq: number;
  sessionId: string;
  title: string;
  cwd: string;
  runtime: string;
  runtimeVersion: string;
  model: string;
  mode: Mode;
  state: "idle" | "waiting" | "inProgress" | "completed" | "interrupted" | "failed" | "unknown";
  alive: boolean;
  turnId: string | null;
  doing: string;
  closing: string;
  error: string;
  errorCode: string;
  plan: readonly PlanStep[];
  percentage: number | null;
  startedAt: number | null;
  elapsed: number;
  waited: number;
  pending: readonly PendingApproval[];
  pendingMore: number;
  grants: readonly Grant[];
  tokens: number;
  turnTokens: number;
  contextUsed: number | null;
  contextWindow: number | null;
  limits: readonly RateLimit[];
  account: string;
  unknown: number;
  turns: number;
  item: ItemShown | null;
  commands: readonly RunningCommand[];
  files: readonly ChangedFile[];
  filesMore: number;
  queue: readonly QueuedMessage[];
  compactions: number;
  problems: readonly Problem[];
  agents: readonly AgentShown[];
  unreviewed: Unreviewed;
}

/** Calling a tool of an MCP server or of the client. */
export interface ToolAction {
  type: "tool";
  server: string;
  tool: string;
  arguments: string;
  message: string;
}

/** Where the transcript stands, and whether the client was asked to show it and did. */
export interface TranscriptOpened {
  sessionId: string;
  uri: string;
  shown: boolean;
}

/** The turn that began; `turnId` is the agent's own id. */
export interface TurnBegun {
  sessionId: string;
  turnId: string;
}

/** Leave a message that goes as the next turn when the running one is completed, or at once if none runs. */
export interface TurnQueueParams {
  sessionId: string;
  text: string;
  references?: readonly Reference[];
  attachments?: readonly AttachedFile[];
}

/** The message that waits. */
export interface TurnQueued {
  messageId: string;
}

/** Do again what was taken back. */
export interface TurnRedoParams {
  cwd?: string | null;
  undoId?: string | null;
}

/** Names a message that is held; all that are held in the session when omitted. */
export interface TurnReleaseParams {
  sessionId: string;
  messageId?: string | null;
}

/** A turn in short; times are seconds since the epoch. */
export interface TurnShown {
  turnId: string;
  status: string;
  startedAt: number;
  completedAt: number | null;
  error: string;
  errorCode: string;
  plan: readonly PlanStep[];
  tokens: number;
  waited: number;
}

/** Give an agent a task. */
export interface TurnStartParams {
  text: string;
  sessionId?: string | null;
  cwd?: string | null;
  references?: readonly Reference[];
  attachments?: readonly AttachedFile[];
  mode?: Mode | null;
  model?: string | null;
  effort?: string | null;
  unsaved?: "wait" | "ignore";
}

/** Say something into the running turn; without a session, into the only one that runs. */
export interface TurnSteerParams {
  text: string;
  sessionId?: string | null;
  attachments?: readonly AttachedFile[];
}

/** Take back all that a turn changed, and all turns of that session since. */
export interface TurnUndoParams {
  sessionId: string;
  turn?: string | null;
}

/** A turn that can be undone; `began` is in seconds since the epoch. */
export interface TurnUndoable {
  turn: string;
  sessionId: string;
  began: number;
  atWork: boolean;
}

/** Something that was taken back and can be done again. */
export interface UndoneShown {
  undoId: string;
  what: string;
}

/** How much of what was changed without asking nobody has reviewed yet. */
export interface Unreviewed {
  files: number;
  hunks: number;
}

/** The policy's word on one action. */
export interface Verdict {
  outcome: Outcome;
  rule: string;
  source: string;
  reason: string;
  part: string;
  risk: "low" | "high";
}

/** A message that waits. */
export interface WaitingMessage {
  id: string;
  text: string;
  prompt: string;
  attachments: readonly Attachment[];
  queuedBy: string;
  queuedAt: number;
  held: boolean;
}

/** Names a task that waits for files to be saved. */
export interface WaitingTaskParams {
  taskId: string;
}

/** A task that starts as soon as these documents are saved. */
export interface WaitingTaskShown {
  taskId: string;
  text: string;
  unsaved: readonly string[];
}

/** Each command with its one argument and its result. */
export interface Commands {
  /** Give the agent a task, in a new session or in the one that is named. */
  "autopilot.turn.start": { argument: TurnStartParams; result: TurnBegun };
  /** Say something into the running turn. */
  "autopilot.turn.steer": { argument: TurnSteerParams; result: Done };
  /** Stop the running turn; returns when it has stopped. */
  "autopilot.turn.interrupt": { argument: SessionParams; result: Done };
  /** Forget a task that waits for files to be saved. */
  "autopilot.turn.forget": { argument: WaitingTaskParams; result: Done };
  /** Leave a message that becomes the next turn when the running one is completed. */
  "autopilot.turn.queue": { argument: TurnQueueParams; result: TurnQueued };
  /** Take back a message that waits. */
  "autopilot.turn.unqueue": { argument: QueuedMessageParams; result: Done };
  /** Let messages go that are held since a turn was stopped or failed. */
  "autopilot.turn.release": { argument: TurnReleaseParams; result: Done };
  /** Take back all that a turn, and every later one of its session, has changed; the rest stays. */
  "autopilot.turn.undo": { argument: TurnUndoParams; result: ChangesUndone };
  /** Do again what was taken back. */
  "autopilot.turn.redo": { argument: TurnRedoParams; result: ChangesUndone };
  /** List the sessions, newest first, without the archived ones or those only. */
  "autopilot.session.list": { argument: SessionListParams; result: SessionList };
  /** Show one session with its turns. */
  "autopilot.session.show": { argument: SessionParams; result: SessionShown };
  /** Open a recorded session again and bring its agent up. */
  "autopilot.session.resume": { argument: SessionParams; result: SessionResumed };
  /** End a session's agent; its record stays. */
  "autopilot.session.close": { argument: SessionParams; result: Done };
  /** Delete a session's record for good. */
  "autopilot.session.delete": { argument: SessionParams; result: Done };
  /** Begin a new session that knows all, or all up to a turn, of an earlier one. */
  "autopilot.session.fork": { argument: SessionForkParams; result: SessionForked };
  /** Put a session away, so that it is not listed, or bring it back. */
  "autopilot.session.archive": { argument: SessionArchiveParams; result: Done };
  /** Give a session another title. */
  "autopilot.session.rename": { argument: SessionRenameParams; result: Done };
  /** Have the agent shorten its context; returns when it has begun. */
  "autopilot.session.compact": { argument: SessionParams; result: Done };
  /** Have the agent's reviewer look at changes; what it finds is shown as diagnostics. */
  "autopilot.review.start": { argument: ReviewStartParams; result: TurnBegun };
  /** Show findings of a review no longer. */
  "autopilot.review.dismiss": { argument: ReviewDismissParams; result: Done };
  /** List what waits for a decision, oldest first. */
  "autopilot.approval.list": { argument: OptionalSessionParams; result: ApprovalList };
  /** Give the one decision on an approval. */
  "autopilot.approval.decide": { argument: ApprovalDecideParams; result: ApprovalDecided };
  /** Accept or reject single hunks of a pending patch; the last one makes the decision. */
  "autopilot.approval.mark": { argument: ApprovalMarkParams; result: ApprovalMarked };
  /** Answer one question of an approval; the decision goes out with the last answer. */
  "autopilot.approval.answer": { argument: ApprovalAnswerParams; result: ApprovalAnswered };
  /** Show what a pending patch would change, without changing anything. */
  "autopilot.approval.preview": { argument: ApprovalPreviewParams; result: ApprovalPreviewed };
  /** List what was changed without asking and nobody has reviewed, and what can be undone. */
  "autopilot.changes.list": { argument: ChangesListParams; result: ChangesList };
  /** Take changes as reviewed. */
  "autopilot.changes.keep": { argument: ChangesChosenParams; result: ChangesKept };
  /** Take changes back; what you typed stays. */
  "autopilot.changes.undo": { argument: ChangesChosenParams; result: ChangesUndone };
  /** Take a "for this session" grant back. */
  "autopilot.grant.revoke": { argument: GrantRevokeParams; result: Done };
  /** List what was remembered: the rules that “always allow” wrote. */
  "autopilot.policy.list": { argument: NoParams; result: PolicyList };
  /** Forget remembered rules by their names; what they allowed asks again. */
  "autopilot.policy.forget": { argument: PolicyForgetParams; result: Done };
  /** Change the mode of a session, or of new sessions when none is named. */
  "autopilot.mode.set": { argument: ModeSetParams; result: Done };
  /** Let a workspace's policy allow things too, if it is exactly the content that was seen. */
  "autopilot.policy.trust": { argument: PolicyTrustParams; result: PolicyTrusted };
  /** Trust a workspace's policy no longer. */
  "autopilot.policy.untrust": { argument: PolicyUntrustParams; result: PolicyTrusted };
  /** Tell what the policy says to a command line and to each part of it, and why. */
  "autopilot.policy.explain": { argument: PolicyExplainParams; result: PolicyExplained };
  /** List the models that the agent offers. */
  "autopilot.model.list": { argument: ModelListParams; result: ModelList };
  /** Tell whether the agent is logged in, and needs to be. */
  "autopilot.account.show": { argument: NoParams; result: Account };
  /** Log the agent in, by its own flow. */
  "autopilot.account.login": { argument: AccountLoginParams; result: AccountLogin };
  /** Give up a login that goes on. */
  "autopilot.account.cancelLogin": { argument: AccountCancelLoginParams; result: Done };
  /** Log the agent out. */
  "autopilot.account.logout": { argument: NoParams; result: Done };
  /** Write a session's transcript, show it where the client can, and keep it up to date. */
  "autopilot.transcript.open": { argument: OptionalSessionParams; result: TranscriptOpened };
  /** Tell what goes on in the open sessions, in those of a folder, or in one. */
  "autopilot.status": { argument: StatusParams; result: StatusResult };
}

/** Each notification with what it carries. */
export interface Notifications {
  /** An approval waits, or has its decision. */
  "autopilot/approval": ApprovalNotification;
  /** A session's status is now this. */
  "autopilot/status": StatusNotification;
  /** These files were written for you, by an accepted patch or an undo: reload unmodified buffers. */
  "autopilot/reload": ReloadNotification;
  /** The agent's account is now this, or a login has ended. */
  "autopilot/account": AccountNotification;
}
