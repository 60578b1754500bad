import {
  enrolDevice,
  type Credential,
  type EnrolmentApi,
} from '../../../activities/provision/enrol';
import { applyProvisioning, planProvisioning } from '../../../activities/provision/provision';
import type { Resource } from '../../../activities/provision/resource';
import { devicePolicy, quarantinePolicy } from '../../../domain/policy/documents';
import { lintQuarantine } from '../../../domain/policy/lint';
import type { LintFinding, Place } from '../../../domain/policy/types';
import type { ProvisionSpec, ResourcePlan } from '../../../domain/provision/types';
import type { DeviceOptions, FleetOptions } from './config';
import { countPlans, describePlan, describePlans } from './report';

export interface CommandOutput {
  text: string;
  data: Record<string, unknown>;
  ok: boolean;
}

export interface ProvisionDeps {
  place: Place;
  aws(spec: ProvisionSpec): Resource[];
  /** `address`: instead of the configured one. */
  temporal(address: string | null): Promise<{ resources: Resource[]; close(): Promise<void> }>;
  enrolment(): EnrolmentApi;
  readFile(path: string): Promise<string>;
  writeFile(path: string, text: string): Promise<void>;
  progress(line: string): void;
}

/** Policies that do not hold are not put in place. */
export class UnsafePolicyError extends Error {
  override readonly name = 'UnsafePolicyError';
  constructor(findings: readonly LintFinding[]) {
    const lines = findings.map(
      ({ rule, document, message, fix }) => `${document} policy, ${rule}: ${message}; ${fix}`,
    );
    super(`The policies would not contain a device:\n${lines.join('\n')}`);
  }
}

/** AWS has no call that tells: a last will is known to the broker's session alone. */
const LAST_WILL_NOTE =
  'Devices with a last will can’t be detected from here: AWS IoT does not tell. One that has a will on a denied topic ' +
  'is refused at CONNECT while contained, and no job reaches it.';

export async function provisionFleet(
  deps: ProvisionDeps,
  options: FleetOptions,
): Promise<CommandOutput> {
  const { place } = deps;
  const findings = lintQuarantine(devicePolicy(place), quarantinePolicy(place), place);
  if (findings.length > 0) throw new UnsafePolicyError(findings);
  const { sites, hardware, webhookUrl = null, dryRun } = options;
  const aws = deps.aws({ place, sites, hardware, webhookUrl });
  if (options.temporal === false) return run(deps, aws, dryRun);
  const address = typeof options.temporal === 'string' ? options.temporal : null;
  const temporal = await deps.temporal(address);
  try {
    return await run(deps, [...aws, ...temporal.resources], dryRun);
  } finally {
    await temporal.close();
  }
}

async function run(
  deps: ProvisionDeps,
  resources: Resource[],
  dryRun: boolean,
): Promise<CommandOutput> {
  const plans = dryRun
    ? await planProvisioning(resources)
    : await applyProvisioning(resources, (plan) => {
        if (plan.action !== 'ok') deps.progress(describePlan(plan));
      });
  const counts = countPlans(plans);
  return {
    text: [...(dryRun ? [describePlans(plans)] : []), summary(plans, dryRun), LAST_WILL_NOTE]
      .filter((part) => part !== '')
      .join('\n'),
    data: {
      dryRun,
      ...counts,
      changes: plans.filter(({ action }) => action !== 'ok'),
      lastWills: 'not detectable',
    },
    ok: counts.conflicts === 0,
  };
}

function summary(plans: readonly ResourcePlan[], dryRun: boolean): string {
  const { created, updated, unchanged, conflicts } = countPlans(plans);
  const verb = dryRun ? 'to be ' : '';
  const mend = conflicts === 0 ? '' : `, ${conflicts} for a person to mend`;
  return `${created} ${verb}created, ${updated} ${verb}changed, ${unchanged} as they should be${mend}.`;
}

export async function enrol(deps: ProvisionDeps, options: DeviceOptions): Promise<CommandOutput> {
  const { thing, site, hardware, firmware, alarmThreshold: threshold } = options;
  const result = await enrolDevice(deps.enrolment(), {
    thing,
    site,
    hardware,
    ...(firmware !== undefined && { firmware }),
    credential: await credentialOf(deps, options),
    ...(threshold !== undefined && { alarm: { threshold, periodSeconds: options.alarmPeriod } }),
  });
  const { certificateArn, certificatePem, changes } = result;
  if (options.out !== undefined) await deps.writeFile(options.out, certificatePem);
  const done = changes.length === 0 ? 'nothing to do' : changes.join(', ');
  return {
    text: `${thing}: ${done}\n${certificateArn}`,
    data: { thing, certificateArn, changes },
    ok: true,
  };
}

async function credentialOf(deps: ProvisionDeps, options: DeviceOptions): Promise<Credential> {
  if (options.csr !== undefined) return { csrPem: await deps.readFile(options.csr) };
  if (options.certificate !== undefined) {
    return { certificatePem: await deps.readFile(options.certificate) };
  }
  return { certificateArn: options.certificateArn ?? '' };
}
