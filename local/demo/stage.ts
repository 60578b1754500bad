import { Client, Connection } from '@temporalio/client';
import { createAwsClients, type AwsClients } from '../../activities/aws/clients';
import { awsResources } from '../../activities/aws/provision';
import { applyProvisioning } from '../../activities/provision/provision';
import { placeOf } from '../../domain/policy/place';
import { startFleet, type Fleet } from '../fleet';
import { startAwsProxy, type AwsProxy } from '../proxies/aws-proxy';
import { startStack, type Stack } from '../stack';
import type { ScenarioIo } from './scenario';
import { startServices } from './services';
import { createTimeline, type Timeline } from './timeline';
import { startWitness, type Witness } from './witness';

const SITES = ['oslo', 'turin'];
const HARDWARE = ['rev-a', 'rev-b'];
export const DEVICES = Array.from({ length: 12 }, (_, index) => ({
  thing: `pump-${String(index + 1).padStart(2, '0')}`,
  site: SITES[index % 2] ?? '',
  hardware: HARDWARE[Math.floor(index / 2) % 2] ?? '',
}));
/** An alarm on 10 refused publishes in 10 seconds, for each device. */
const ALARM = { periodSeconds: 10, threshold: 10 };

export interface Stage {
  stack: Stack;
  aws: AwsClients;
  /** Between the worker and AWS; counts its calls. */
  proxy: AwsProxy;
  fleet: Fleet;
  witness: Witness;
  temporal: Client;
  timeline: Timeline;
}

/** Starts everything; what was started is put on `cleanUp`, to be stopped in the opposite order. */
export async function setTheStage(
  io: ScenarioIo,
  dir: string,
  cleanUp: (() => Promise<unknown>)[],
): Promise<Stage> {
  const timeline = createTimeline((line) => io.write(line));
  timeline.tell('starting Temporal and the AWS emulator');
  const stack = await startStack({ dir, log: (line) => timeline.tell(line) });
  cleanUp.push(() => stack.stop());
  const { emulator, temporal } = stack;
  const { region, endpoint, credentials, accountId } = emulator;
  const aws = createAwsClients({ region, endpoint, credentials });
  const proxy = await startAwsProxy({ upstream: endpoint });
  cleanUp.push(() => proxy.stop());
  const spec = {
    place: placeOf(region, accountId),
    sites: SITES,
    hardware: HARDWARE,
    webhookUrl: null,
  };
  const plans = await applyProvisioning(awsResources(aws, spec));
  timeline.tell(`provisioned ${plans.length} AWS resources`);

  const [services, fleet, witness] = await Promise.all([
    startServices(stack, { dir, awsEndpoint: proxy.endpoint }),
    startFleet({ emulator, dir, devices: DEVICES, alarm: ALARM, telemetryIntervalMs: 500 }),
    startWitness(aws, emulator),
  ]);
  cleanUp.push(
    () => services.stop(),
    () => fleet.stop(),
    () => witness.stop(),
  );
  await applyProvisioning(awsResources(aws, { ...spec, webhookUrl: services.webhookUrl }));
  timeline.tell('worker, webhook and telemetry pump are up; the alarm topic is subscribed');
  const connection = await Connection.connect({ address: temporal.address });
  cleanUp.push(() => connection.close());
  const client = new Client({ connection, namespace: temporal.namespace });
  return { stack, aws, proxy, fleet, witness, temporal: client, timeline };
}
