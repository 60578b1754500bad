import type { Guard } from '../../domain/guard/types';
import { policyArn } from '../../domain/policy/documents';
import type { Place } from '../../domain/policy/types';
import type { QuarantineRunbook } from '../../domain/runbook';
import type { ContainmentRecords } from '../aws/containment-records';
import type { IotConnections } from '../aws/iot-connections';
import type { IotJobs } from '../aws/iot-jobs';
import type { IotLogging } from '../aws/iot-logging';
import type { IotRegistry } from '../aws/iot-registry';
import type { ProbeTable } from '../aws/probe-table';

/** What containing and releasing a device needs. Break-glass fills it in too, so nothing here knows Temporal. */
export interface ContainmentDeps {
  registry: IotRegistry;
  connections: IotConnections;
  logging: IotLogging;
  jobs: IotJobs;
  records: ContainmentRecords;
  /** Where the fleet's resources live. */
  place: Place;
  now(): number;
}

export interface QuarantineDeps extends ContainmentDeps {
  guard: Guard;
  probes: ProbeTable;
  /** Reads the YAML afresh: an edit takes effect at the next start, never in a run under way. */
  loadRunbook(): Promise<QuarantineRunbook> | QuarantineRunbook;
}

export const isoTime = (ms: number): string => new Date(ms).toISOString();

export const thingArn = ({ place }: ContainmentDeps, thing: string): string =>
  policyArn(place, `thing/${thing}`);
