import type { AlarmSystem, Severity } from './alarm/types';
import type { CollectLogsRunbook } from './evidence/collect-logs';
import type { QuarantineSetting } from './quarantine/types';
import type {
  ApprovalRule,
  GateRule,
  MetricQuery,
  StagedOtaDuration,
  StagedOtaNumber,
} from './rollout/types';

/** Which alarms start a runbook, and for whom. An alarm matches only where name, source, account and region all do. */
export interface RouteRule {
  /** Alarm name; `*` stands for one or more characters other than `/`. */
  alarm: string;
  sources: AlarmSystem[];
  /** `source`: only what was read again at its source. `sender`: what its sender says is enough. */
  verify: 'source' | 'sender';
  accounts: 'any' | string[];
  regions: 'any' | string[];
  /** The alarm dimension whose value is the thing's name. */
  subject: string;
  severity: Severity;
}

/** Milliseconds. `min` and `max` bound what an input may override. */
export interface DurationSetting {
  defaultMs: number;
  minMs: number;
  maxMs: number;
}

export interface QuarantineRunbook {
  name: 'quarantine';
  routes: RouteRule[];
  settings: Record<QuarantineSetting, DurationSetting>;
}

export interface NumberSetting {
  default: number;
  min: number;
  max: number;
}

export interface StagedOtaRunbook {
  name: 'stagedOta';
  /** As of `StagedOtaInput`. */
  waves: (number | string)[];
  settings: Record<StagedOtaDuration, DurationSetting> & Record<StagedOtaNumber, NumberSetting>;
  onAbort: 'rollback' | 'hold';
  approval: ApprovalRule;
  gate: GateRule[];
  metrics: MetricQuery[];
}

/** Runbook by name; grows with every runbook that has a YAML file. */
export interface Runbooks {
  quarantine: QuarantineRunbook;
  stagedOta: StagedOtaRunbook;
  collectLogs: CollectLogsRunbook;
}
export type RunbookName = keyof Runbooks;
