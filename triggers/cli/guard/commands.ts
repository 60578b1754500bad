import { signApproval } from '../../../activities/guard/approval-token';
import { addApprover, readPrivateKey } from '../../../activities/guard/approver-registry';
import { approverKeysFromFile } from '../../../activities/guard/approver-keys';
import type { Guard } from '../../../domain/guard/types';
import type { ApprovalTarget } from './approval-target';
import type { GuardCliConfig } from './config';
import { UsageError } from '../usage';

export interface GuardCliDeps {
  config: GuardCliConfig;
  guard: () => Guard;
  readTarget: (workflowId: string) => Promise<ApprovalTarget>;
  now: () => number;
}

/** `text` is for people; `data` is what `--json` prints. */
export interface CommandOutput {
  text: string;
  data: Record<string, unknown>;
}

export async function status({ guard }: GuardCliDeps): Promise<CommandOutput> {
  const found = await guard().status();
  const { state, by, at, reason } = found.switch;
  const leases = found.leases.map(
    (lease) =>
      `  ${lease.thing}  ${lease.state}  ${lease.owner}  fence ${lease.fence}${expiry(lease)}`,
  );
  const work = found.work.map((lease) => `  ${lease.owner}  fence ${lease.fence}${expiry(lease)}`);
  const text = [
    `Switch: ${state} since ${iso(at)}, by ${by}: ${reason}`,
    `Fleet: ${found.fleetSize} devices`,
    `Contained now: ${found.containedNow} (without a person up to ${found.automaticCap}, with two approvers up to ${found.approvedCap})`,
    leases.length === 0 ? 'Leases: none' : 'Leases:',
    ...leases,
    work.length === 0 ? 'Work leases: none' : 'Work leases:',
    ...work,
  ].join('\n');
  return { text, data: { ...found } };
}

export interface SwitchOptions {
  reason: string;
  by: string;
}

export async function setSwitch(
  { guard }: GuardCliDeps,
  state: 'run' | 'stop',
  options: SwitchOptions,
): Promise<CommandOutput> {
  const reason = stated('--reason', options.reason);
  const by = stated('--by', options.by);
  await guard().setSwitch({ state, reason, by });
  const text =
    state === 'stop'
      ? 'Stopped: no runbook contains or ships anything until "npm run guard -- resume". Release and rollback go on.'
      : 'Running: runbooks that waited go on within 5 seconds.';
  return { text, data: { state, reason, by } };
}

export async function approve(
  { config, readTarget, now }: GuardCliDeps,
  workflowId: string,
  options: { as: string; target?: string },
): Promise<CommandOutput> {
  const privateKey = await readPrivateKey(options.as, config.approverKeysDir);
  const target = await targetOf(workflowId, options.target, readTarget);
  const { targetHash } = target;
  const token = await signApproval({
    approver: options.as,
    privateKey,
    workflowId,
    targetHash,
    nowMs: now(),
  });
  const text = [
    `${options.as} approves ${workflowId} for ${whatIsApproved(target)}, for 15 minutes.`,
    'In Temporal UI: the workflow > Send an Update > "approve", with this input:',
    JSON.stringify({ token }),
  ].join('\n');
  return { text, data: { approver: options.as, workflowId, ...target, token } };
}

type Approved = Omit<ApprovalTarget, 'targets'> & { targets: string[] | null };

function whatIsApproved({ targetHash, targets, summary }: Approved): string {
  if (summary !== undefined) return `${summary} (plan hash ${targetHash})`;
  return targets === null ? `target hash ${targetHash}` : targets.join(', ');
}

async function targetOf(
  workflowId: string,
  given: string | undefined,
  readTarget: GuardCliDeps['readTarget'],
): Promise<Approved> {
  if (given === undefined) return readTarget(workflowId);
  if (!/^[0-9a-f]{64}$/.test(given)) {
    throw new UsageError('--target must be the 64 hexadecimal digits of the target hash');
  }
  return { targetHash: given, targets: null };
}

export async function approverAdd({ config }: GuardCliDeps, name: string): Promise<CommandOutput> {
  const { privateKeyFile } = await addApprover(name, config);
  const text =
    `${name} is an approver now. Private key: ${privateKeyFile}; public key: ${config.approversFile} ` +
    '(workers read it at every use).';
  return { text, data: { approver: name, privateKeyFile, approversFile: config.approversFile } };
}

export async function approverList({ config }: GuardCliDeps): Promise<CommandOutput> {
  const keys = await approverKeysFromFile(config.approversFile)();
  const approvers = keys.map((key) => key.kid).sort();
  const text =
    approvers.length === 0 ? `No approvers in ${config.approversFile}` : approvers.join('\n');
  return { text, data: { approvers } };
}

function stated(option: string, value: string): string {
  const text = value.trim();
  if (text === '' || text.length > 500)
    throw new UsageError(`${option} must be 1 to 500 characters`);
  return text;
}

const iso = (at: number): string => new Date(at).toISOString();
const expiry = ({ expiresAt }: { expiresAt: number | null }): string =>
  expiresAt === null ? '' : `  expires ${iso(expiresAt)}`;
