--- Generated from schemas/ by `python -m editors.generate`; not to be edited.
--- What goes between this client and the server, and the server's settings.

local M = {}

---@class autopilot.Account
---@field loggedIn boolean
---@field needed boolean
---@field description string

---@class autopilot.AccountLogin
---@field loginId? string
---@field url? string
---@field userCode? string

---@class autopilot.AccountNotification
---@field account autopilot.Account
---@field loginId? string
---@field error? string

---@class autopilot.AgentShown
---@field threadId string
---@field name string
---@field state 'working'|'waiting'|'idle'
---@field tokens? integer
---@field doing? string

---@class autopilot.Approval
---@field id string
---@field sessionId string
---@field nativeKey string
---@field threadId? string|nil
---@field turnId? string|nil
---@field itemId? string|nil
---@field action autopilot.CommandAction|autopilot.PatchAction|autopilot.PermissionAction|autopilot.QuestionAction|autopilot.ElicitationAction|autopilot.ToolAction
---@field reason? string
---@field files? autopilot.FileChange[]
---@field marks? autopilot.HunkMark[]
---@field verdict autopilot.Verdict
---@field offers? autopilot.RememberOffer[]
---@field requestedAt number

---@class autopilot.ApprovalAnswered
---@field approvalId string
---@field missing string[]

---@class autopilot.ApprovalDecided
---@field approvalId string
---@field decision autopilot.Decision

---@class autopilot.ApprovalDocuments
---@field approvalId string
---@field diff string
---@field files autopilot.FileDocuments[]

---@class autopilot.ApprovalList
---@field approvals autopilot.Approval[]
---@field documents? autopilot.ApprovalDocuments[]

---@class autopilot.ApprovalMarked
---@field approvalId string
---@field marks? autopilot.HunkMark[]
---@field missing? string[]
---@field decision? autopilot.Decision|nil

---@class autopilot.ApprovalNotification
---@field sessionId string
---@field approvalId string
---@field approval? autopilot.Approval|nil
---@field decision? autopilot.Decision|nil

---@class autopilot.ApprovalPreviewed
---@field shown 'edit'|'document'|'none'
---@field uri string
---@field diff string

---@class autopilot.Attachment
---@field path string
---@field kind 'image'|'file'

---@alias autopilot.ChangeKind 'add'|'delete'|'update'

---@class autopilot.ChangeShown
---@field id string
---@field path string
---@field uri string
---@field before string
---@field kind 'hunk'|'add'|'delete'|'whole'|'mode'
---@field line integer
---@field author 'agent'|'unattributed'
---@field by string
---@field turns string[]
---@field old string[]
---@field new string[]
---@field removed integer
---@field added integer

---@class autopilot.ChangedFile
---@field path string
---@field uri string
---@field added integer
---@field removed integer
---@field kind 'add'|'update'|'delete'|'rename'

---@class autopilot.ChangesKept
---@field kept string[]

---@class autopilot.ChangesList
---@field cwd string
---@field changes autopilot.ChangeShown[]
---@field total integer
---@field turns autopilot.TurnUndoable[]
---@field undone autopilot.UndoneShown[]
---@field notices string[]

---@class autopilot.ChangesUndone
---@field undoId string
---@field written string[]
---@field left string[]

---@class autopilot.CommandAction
---@field type? 'command'
---@field command string
---@field cwd string
---@field escalated? boolean
---@field typesInput? boolean
---@field networkHost? string|nil
---@field permissions? string[]

---@class autopilot.Decision
---@field kind autopilot.DecisionKind
---@field decidedBy string
---@field message? string
---@field answers? table<string, string[]>
---@field content? string|nil
---@field hunks? string[]|nil
---@field reasons? table<string, string>
---@field inEditor? boolean
---@field merged? string[]
---@field remembered? string

---@alias autopilot.DecisionKind 'accept'|'acceptForSession'|'decline'|'cancel'

---@class autopilot.Done
---@field done? true

---@class autopilot.ElicitationAction
---@field type? 'elicitation'
---@field server string
---@field message string
---@field contentSchema? string
---@field url? string|nil

---@class autopilot.FileChange
---@field path string
---@field kind autopilot.ChangeKind
---@field moveTo? string|nil
---@field hunks? autopilot.Hunk[]
---@field problem? string

---@class autopilot.FileDocuments
---@field path string
---@field before string|nil
---@field after string|nil

---@class autopilot.Finding
---@field id string
---@field title string
---@field body? string
---@field path? string
---@field startLine? integer
---@field endLine? integer
---@field priority? integer|nil

---@class autopilot.Grant
---@field id string
---@field command? string|nil
---@field cwd? string|nil
---@field paths? string[]
---@field grantedBy string

---@class autopilot.Hunk
---@field id string
---@field oldStart integer
---@field oldLines string[]
---@field newStart integer
---@field newLines string[]

---@class autopilot.HunkMark
---@field hunkId string
---@field mark autopilot.Mark
---@field message? string
---@field markedBy string

---@class autopilot.ItemShown
---@field kind 'message'|'reasoning'|'plan'|'command'|'patch'|'tool'|'search'|'agent'|'other'
---@field title string

---@alias autopilot.Mark 'accept'|'reject'

---@alias autopilot.Mode 'read-only'|'propose'|'auto'|'escalate'

---@class autopilot.Model
---@field id string
---@field name string
---@field description string
---@field efforts string[]
---@field defaultEffort string
---@field isDefault boolean

---@class autopilot.ModelList
---@field models autopilot.Model[]

---@alias autopilot.Outcome 'allow'|'ask'|'deny'

---@class autopilot.PatchAction
---@field type? 'patch'
---@field changes autopilot.ProposedChange[]
---@field grantRoot? string|nil

---@class autopilot.PendingApproval
---@field id string
---@field kind string
---@field title string
---@field rule string
---@field risk? 'low'|'high'
---@field alarm? string
---@field why string
---@field age number
---@field requestedAt? number
---@field paths? string[]
---@field hunks? integer
---@field threadId? string|nil

---@class autopilot.PermissionAction
---@field type? 'permission'
---@field cwd string
---@field permissions string[]
---@field native string

---@class autopilot.PlanStep
---@field step string
---@field status 'pending'|'inProgress'|'completed'

---@class autopilot.PolicyExplained
---@field command string
---@field cwd string
---@field mode autopilot.Mode
---@field outcome autopilot.Outcome
---@field rule string
---@field source string
---@field reason string
---@field part string
---@field risk 'low'|'high'
---@field why string
---@field parts autopilot.PolicyPart[]

---@class autopilot.PolicyFileShown
---@field path string
---@field kind 'user'|'remembered'|'workspace'
---@field state 'inForce'|'notTrusted'|'broken'
---@field rules integer
---@field problems? string[]
---@field cwd? string
---@field hash? string

---@class autopilot.PolicyList
---@field rules autopilot.RememberedRule[]

---@class autopilot.PolicyPart
---@field part string
---@field outcome autopilot.Outcome
---@field rule string
---@field source string
---@field reason string
---@field risk 'low'|'high'
---@field hard boolean

---@class autopilot.PolicyTrusted
---@field path string
---@field trusted boolean
---@field before boolean

---@class autopilot.Problem
---@field level 'error'|'warning'
---@field code string
---@field text string
---@field at number

---@class autopilot.ProposedChange
---@field path string
---@field kind autopilot.ChangeKind
---@field moveTo? string|nil
---@field form 'unified'|'content'
---@field text string

---@class autopilot.Question
---@field id string
---@field header? string
---@field text string
---@field options? autopilot.QuestionOption[]
---@field freeText? boolean
---@field secret? boolean

---@class autopilot.QuestionAction
---@field type? 'question'
---@field questions autopilot.Question[]

---@class autopilot.QuestionOption
---@field label string
---@field description? string

---@class autopilot.QueuedMessage
---@field id string
---@field text string
---@field held? boolean

---@class autopilot.RateLimit
---@field name string
---@field usedPercent number
---@field resetsAt? number|nil

---@class autopilot.ReloadNotification
---@field uris string[]

---@class autopilot.RememberOffer
---@field key string
---@field label string

---@class autopilot.RememberedRule
---@field name string
---@field verdict string
---@field kind string
---@field pattern string
---@field workspace string
---@field reason string
---@field by? string
---@field at? string

---@class autopilot.RunningCommand
---@field id string
---@field command string
---@field cwd string
---@field startedAt number
---@field tail? string[]
---@field background? boolean
---@field threadId? string|nil

---@class autopilot.SaveParams
---@field uris string[]

---@class autopilot.Saved
---@field saved string[]

---@class autopilot.SessionForked
---@field sessionId string

---@class autopilot.SessionList
---@field sessions autopilot.SessionSummary[]

---@class autopilot.SessionResumed
---@field sessionId string
---@field threadId string|nil
---@field alive boolean

---@class autopilot.SessionShown
---@field sessionId string
---@field title string
---@field cwd string
---@field runtime string
---@field model string
---@field mode autopilot.Mode
---@field alive boolean
---@field threadId string|nil
---@field turns autopilot.TurnShown[]
---@field pending autopilot.Approval[]
---@field grants autopilot.Grant[]
---@field queue? autopilot.WaitingMessage[]
---@field findings? autopilot.Finding[]
---@field archived? boolean
---@field forkedFrom? string
---@field transcript string

---@class autopilot.SessionSummary
---@field id string
---@field cwd string
---@field runtime string
---@field title string
---@field createdAt number
---@field updatedAt number
---@field turns integer
---@field state string
---@field mode autopilot.Mode
---@field threadId? string|nil
---@field archived? boolean
---@field findings? integer
---@field sizeBytes? integer
---@field inUse? boolean

---@class autopilot.StatusNotification
---@field status autopilot.StatusView

---@class autopilot.StatusResult
---@field sessions autopilot.StatusView[]
---@field mode autopilot.Mode
---@field waitingTasks? autopilot.WaitingTaskShown[]
---@field policies? autopilot.PolicyFileShown[]

---@class autopilot.StatusView
---@field seq integer
---@field sessionId string
---@field title string
---@field cwd string
---@field runtime string
---@field runtimeVersion string
---@field model string
---@field mode autopilot.Mode
---@field state 'idle'|'waiting'|'inProgress'|'completed'|'interrupted'|'failed'|'unknown'
---@field alive boolean
---@field turnId? string|nil
---@field doing? string
---@field closing? string
---@field error? string
---@field errorCode? string
---@field plan? autopilot.PlanStep[]
---@field percentage? integer|nil
---@field startedAt? number|nil
---@field elapsed? number
---@field waited? number
---@field pending? autopilot.PendingApproval[]
---@field pendingMore? integer
---@field grants? autopilot.Grant[]
---@field tokens? integer
---@field turnTokens? integer
---@field contextUsed? integer|nil
---@field contextWindow? integer|nil
---@field limits? autopilot.RateLimit[]
---@field account? string
---@field unknown? integer
---@field turns? integer
---@field item? autopilot.ItemShown|nil
---@field commands? autopilot.RunningCommand[]
---@field files? autopilot.ChangedFile[]
---@field filesMore? integer
---@field queue? autopilot.QueuedMessage[]
---@field compactions? integer
---@field problems? autopilot.Problem[]
---@field agents? autopilot.AgentShown[]
---@field unreviewed? autopilot.Unreviewed

---@class autopilot.ToolAction
---@field type? 'tool'
---@field server string
---@field tool string
---@field arguments? string
---@field message? string

---@class autopilot.TranscriptOpened
---@field sessionId string
---@field uri string
---@field shown boolean

---@class autopilot.TurnBegun
---@field sessionId string
---@field turnId string

---@class autopilot.TurnQueued
---@field messageId string

---@class autopilot.TurnShown
---@field turnId string
---@field status string
---@field startedAt number
---@field completedAt number|nil
---@field error string
---@field errorCode string
---@field plan autopilot.PlanStep[]
---@field tokens integer
---@field waited number

---@class autopilot.TurnUndoable
---@field turn string
---@field sessionId string
---@field began number
---@field atWork boolean

---@class autopilot.UndoneShown
---@field undoId string
---@field what string

---@class autopilot.Unreviewed
---@field files? integer
---@field hunks? integer

---@class autopilot.Verdict
---@field outcome autopilot.Outcome
---@field rule string
---@field source string
---@field reason string
---@field part? string
---@field risk? 'low'|'high'

---@class autopilot.WaitingMessage
---@field id string
---@field text string
---@field prompt? string
---@field attachments? autopilot.Attachment[]
---@field queuedBy? string
---@field queuedAt? number
---@field held? boolean

---@class autopilot.WaitingTaskShown
---@field taskId string
---@field text string
---@field unsaved string[]

---@class autopilot.Settings.codex
---@field command? string[]
---@field home? string|nil
---@field env? table<string, string>
---@field config? any
---@field model? string|nil
---@field effort? string|nil
---@field requestTimeout? number
---@field startTimeout? number

---@class autopilot.Settings.trace
---@field maxAgeDays? integer
---@field maxSizeMegabytes? integer
---@field maxSessionMegabytes? integer
---@field redact? string[]

---@class autopilot.Settings.transcript
---@field followSeconds? number

---@class autopilot.Settings.approvals
---@field showMessage? boolean

---@class autopilot.Settings.notify
---@field command? string[]
---@field on? ('limit'|'high-risk'|'approval'|'turn-end')[]

---@class autopilot.Settings.review
---@field enabled? boolean

---@class autopilot.Settings.shared
---@field idleSeconds? number

---@class autopilot.Settings
---@field runtime? 'codex'
---@field mode? 'read-only'|'propose'|'auto'|'escalate'
---@field stateDir? string|nil
---@field policyFile? string|nil
---@field logLevel? 'error'|'warning'|'info'|'debug'
---@field logFile? string|nil
---@field codex? autopilot.Settings.codex
---@field trace? autopilot.Settings.trace
---@field transcript? autopilot.Settings.transcript
---@field approvals? autopilot.Settings.approvals
---@field notify? autopilot.Settings.notify
---@field review? autopilot.Settings.review
---@field shared? autopilot.Settings.shared

---@alias autopilot.Command
---| 'autopilot.account.cancelLogin'
---| 'autopilot.account.login'
---| 'autopilot.account.logout'
---| 'autopilot.account.show'
---| 'autopilot.approval.answer'
---| 'autopilot.approval.decide'
---| 'autopilot.approval.list'
---| 'autopilot.approval.mark'
---| 'autopilot.approval.preview'
---| 'autopilot.changes.keep'
---| 'autopilot.changes.list'
---| 'autopilot.changes.undo'
---| 'autopilot.grant.revoke'
---| 'autopilot.mode.set'
---| 'autopilot.model.list'
---| 'autopilot.policy.explain'
---| 'autopilot.policy.forget'
---| 'autopilot.policy.list'
---| 'autopilot.policy.trust'
---| 'autopilot.policy.untrust'
---| 'autopilot.review.dismiss'
---| 'autopilot.review.start'
---| 'autopilot.session.archive'
---| 'autopilot.session.close'
---| 'autopilot.session.compact'
---| 'autopilot.session.delete'
---| 'autopilot.session.fork'
---| 'autopilot.session.list'
---| 'autopilot.session.rename'
---| 'autopilot.session.resume'
---| 'autopilot.session.show'
---| 'autopilot.status'
---| 'autopilot.transcript.open'
---| 'autopilot.turn.forget'
---| 'autopilot.turn.interrupt'
---| 'autopilot.turn.queue'
---| 'autopilot.turn.redo'
---| 'autopilot.turn.release'
---| 'autopilot.turn.start'
---| 'autopilot.turn.steer'
---| 'autopilot.turn.undo'
---| 'autopilot.turn.unqueue'

--- The names of the server's settings, nested as they are.
M.settings = {
  approvals = {
    showMessage = true,
  },
  codex = {
    command = true,
    config = true,
    effort = true,
    env = true,
    home = true,
    model = true,
    requestTimeout = true,
    startTimeout = true,
  },
  logFile = true,
  logLevel = true,
  mode = true,
  notify = {
    command = true,
    on = true,
  },
  policyFile = true,
  review = {
    enabled = true,
  },
  runtime = true,
  shared = {
    idleSeconds = true,
  },
  stateDir = true,
  trace = {
    maxAgeDays = true,
    maxSessionMegabytes = true,
    maxSizeMegabytes = true,
    redact = true,
  },
  transcript = {
    followSeconds = true,
  },
}

return M
