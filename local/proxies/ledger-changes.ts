import { NAMES } from '../../domain/names';
import type { AwsCall } from './aws-proxy';

export type LedgerCall = Pick<
  AwsCall,
  'index' | 'at' | 'service' | 'operation' | 'target' | 'input' | 'output' | 'status' | 'error'
>;

/** One resource as one call left it. */
export interface Change {
  resource: string;
  value: string;
  /** What the resource is before anything is known of it. */
  initial: string;
  /**
   * `state`: may take each value once. `once`: may take one value, ever. `event`: happens, so the same value again is a
   * second happening.
   */
  kind: 'state' | 'once' | 'event';
  /** Index of an earlier call that makes even a first happening one too many. */
  since?: number;
}

/** What earlier calls told, beyond the state of single resources. */
export interface LedgerFacts {
  /** Last known count by counter item. */
  counters: Map<string, number>;
  /** When the thing came under the quarantine group's Deny. */
  deniedSince: Map<string, { at: number; index: number }>;
  /** When each client's session began, epoch milliseconds, as last read. */
  sessions: Map<string, number>;
}

/** The changes that a call, carried out by AWS, made to the resources that runbooks act on; most calls make none. */
export function changesOf(call: LedgerCall, facts: LedgerFacts): Change[] {
  const { service, operation } = call;
  if (service === 'dynamodb') return counterChanges(call, facts);
  if (operation === 'GetConnection') noteSession(call, facts);
  if (operation === 'AddThingToThingGroup') noteDeny(call, facts);
  return CHANGES[operation]?.(call, facts) ?? [];
}

type ChangeOf = (call: LedgerCall, facts: LedgerFacts) => Change[];

const CHANGES: Partial<Record<string, ChangeOf>> = {
  AddThingToThingGroup: (call) => [membership(call, 'in')],
  RemoveThingFromThingGroup: (call, facts) => {
    if (call.input.thingGroupName === NAMES.quarantineGroup) {
      facts.deniedSince.delete(text(call.input.thingName));
    }
    return [membership(call, 'out')];
  },
  AttachPolicy: (call) => [attachment(call, 'attached')],
  DetachPolicy: (call) => [attachment(call, 'detached')],
  UpdateCertificate: ({ input }) => [
    state(`certificate ${text(input.certificateId)}`, text(input.newStatus), 'ACTIVE'),
  ],
  SetV2LoggingLevel: ({ input, target }) => [
    state(`log level ${target ?? ''}`, text(input.logLevel), 'none'),
  ],
  DeleteV2LoggingLevel: ({ target }) => [state(`log level ${target ?? ''}`, 'none', 'none')],
  CreateJob: (call) => [job(call)],
  CancelJob: ({ input }) => [state(`job ${text(input.jobId)}`, 'canceled', 'active')],
  CancelJobExecution: ({ input }) => [
    state(`execution of ${text(input.jobId)} on ${text(input.thingName)}`, 'canceled', 'active'),
  ],
  DeleteConnection: drop,
  PutObject: ({ target }) => [state(`object ${target ?? ''}`, 'present', 'absent')],
  DeleteObject: ({ target }) => [state(`object ${target ?? ''}`, 'absent', 'absent')],
};

const state = (resource: string, value: string, initial: string): Change => ({
  resource,
  value,
  initial,
  kind: 'state',
});

const membership = ({ input }: LedgerCall, value: 'in' | 'out'): Change =>
  state(`${text(input.thingName)} in group ${text(input.thingGroupName)}`, value, 'out');

const attachment = ({ input }: LedgerCall, value: 'attached' | 'detached'): Change =>
  state(`policy ${text(input.policyName)} on ${text(input.target)}`, value, 'detached');

const RUN_ID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;

/** A step of a runbook sends one job: its id names the step and the run, so another run id is another job for the step. */
function job({ input }: LedgerCall): Change {
  const jobId = text(input.jobId);
  const targets = Array.isArray(input.targets) ? input.targets.map(text).sort().join(',') : '';
  const step = RUN_ID.test(jobId) ? jobId.replace(RUN_ID, '<run>') : operationOf(input.document);
  return { resource: `job ${step} for ${targets}`, value: jobId, initial: 'none', kind: 'once' };
}

const operationOf = (document: unknown): string => text(parsed(document).operation);

/** Dropping a session acts each time. One that began under the Deny is contained already, so dropping it is one too many. */
function drop({ input }: LedgerCall, facts: LedgerFacts): Change[] {
  const clientId = text(input.clientId);
  const denied = facts.deniedSince.get(clientId);
  const began = facts.sessions.get(clientId);
  const underDeny = denied !== undefined && began !== undefined && began > denied.at;
  facts.sessions.delete(clientId);
  return [
    {
      // A session dropped before the Deny may come back and be dropped again, once.
      resource: `session of ${clientId} ${denied === undefined ? 'before' : 'under'} the Deny`,
      value: 'dropped',
      initial: 'live',
      kind: 'event',
      ...(underDeny && { since: denied.index }),
    },
  ];
}

function noteSession({ input, output }: LedgerCall, facts: LedgerFacts): void {
  const clientId = text(input.clientId);
  const since = output.connected === true ? output.connectedSince : undefined;
  if (typeof since === 'number') facts.sessions.set(clientId, since);
  else facts.sessions.delete(clientId);
}

function noteDeny({ input, at, index }: LedgerCall, facts: LedgerFacts): void {
  const thing = text(input.thingName);
  if (input.thingGroupName !== NAMES.quarantineGroup || facts.deniedSince.has(thing)) return;
  facts.deniedSince.set(thing, { at, index });
}

/**
 * Counters of the guard: items whose `body` is JSON with a number `count`, written in one transaction with the owner's
 * reservation. A count may rise once for an owner, and fall once.
 */
function counterChanges({ input, output }: LedgerCall, facts: LedgerFacts): Change[] {
  for (const { item } of rows(output.Responses, 'Item')) remember(item, facts);
  const writes = rows(input.TransactItems, 'Put');
  const owner = reservationOwner(input.TransactItems);
  return writes.flatMap(({ item: put }) => {
    const item = record(put.Item);
    const before = facts.counters.get(keyOf(item));
    const after = remember(item, facts);
    if (before === undefined || after === undefined || after === before) return [];
    const value = after > before ? 'counted' : 'given back';
    return [{ ...state(`${keyOf(item)} for ${owner}`, value, 'unknown'), kind: 'event' }];
  });
}

function remember(item: Record<string, unknown>, facts: LedgerFacts): number | undefined {
  const count = parsed(attribute(item.body)).count;
  if (typeof count !== 'number') return undefined;
  facts.counters.set(keyOf(item), count);
  return count;
}

function reservationOwner(transactItems: unknown): string {
  for (const write of Array.isArray(transactItems) ? transactItems : []) {
    const { Put, Delete } = record(write);
    const key = record(record(Put).Item ?? record(Delete).Key);
    if (attribute(key.pk) === 'reservation') return text(attribute(key.sk));
  }
  return 'nobody';
}

function rows(list: unknown, field: string): { item: Record<string, unknown> }[] {
  return (Array.isArray(list) ? list : [])
    .map((row) => record(row)[field])
    .filter((item) => item !== undefined)
    .map((item) => ({ item: record(item) }));
}

const keyOf = (item: Record<string, unknown>): string =>
  `${text(attribute(item.pk))}/${text(attribute(item.sk))}`;

/** The string of a DynamoDB attribute `{ S: … }`. */
const attribute = (value: unknown): unknown => record(value).S;

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function parsed(json: unknown): Record<string, unknown> {
  try {
    return record(JSON.parse(text(json)));
  } catch {
    return {};
  }
}
