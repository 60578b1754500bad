import { afterAll } from '@jest/globals';
import { startTemporal, type TemporalServer } from '../../local/stack/temporal';
import { laneAddress, TEMPORAL_ADDRESSES_VARIABLE } from './lanes';

let ownServer: Promise<TemporalServer> | undefined;

/** The lane's Temporal server; when a file is run by hand, one of its own that ends with the file. */
export async function temporalAddress(): Promise<string> {
  const ofLanes = process.env[TEMPORAL_ADDRESSES_VARIABLE];
  if (ofLanes !== undefined) return laneAddress(ofLanes, process.env['JEST_WORKER_ID']);
  ownServer ??= startTemporal();
  return (await ownServer).address;
}

afterAll(async () => {
  await (await ownServer)?.stop();
});
