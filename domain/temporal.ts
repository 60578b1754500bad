/** Names shared by those who start and steer workflows and those who run them. */

/** Activities run on queues split by power; each can be a process and an AWS role of its own. */
export const TASK_QUEUES = {
  /** Workflow tasks and read-only local activities. */
  runbooks: 'runbooks',
  /** Reads AWS, starts runbooks. No AWS writes. */
  read: 'read',
  /** Contains and releases devices. */
  contain: 'contain',
  /** Long heartbeating watches, kept out of the way of containment. No AWS writes but probe jobs and reconnect drops. */
  watch: 'watch',
  /** Ships jobs to devices. */
  ship: 'ship',
  /** Carries the waves of a rollout: creates and cancels its jobs, watches them. Long activities, so a queue of its own. */
  rollout: 'rollout',
  /** Reads the cloud's evidence, hashes and copies. Writes evidence only; a bounded number at a time, for memory and quotas. */
  evidence: 'evidence',
} as const;
export type TaskQueue = (typeof TASK_QUEUES)[keyof typeof TASK_QUEUES];

/** Search attributes, all of type Keyword. A namespace has at most 10 of them on SQL visibility stores. */
export const SEARCH_ATTRIBUTES = [
  'IotThing',
  'IotIncident',
  'IotRunbook',
  'IotPhase',
  'IotSeverity',
  'IotOutcome',
] as const;
export type SearchAttribute = (typeof SEARCH_ATTRIBUTES)[number];

export const WORKFLOWS = {
  quarantine: 'quarantine',
  alarmIntake: 'alarmIntake',
  reconcile: 'reconcile',
  stagedOta: 'stagedOta',
  otaWave: 'otaWave',
  collectLogs: 'collectLogs',
} as const;

/** Update names. A refused Update says why. */
export const UPDATES = {
  alarm: 'alarm',
  release: 'release',
  extendHold: 'extendHold',
  escalate: 'escalate',
  approve: 'approve',
  pause: 'pause',
  resume: 'resume',
  advance: 'advance',
  abort: 'abort',
  rollback: 'rollback',
} as const;
