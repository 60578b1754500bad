import { afterAll } from '@jest/globals';
import { startTemporal, type TemporalServer } from '../../local/stack/temporal';

/** Set by `npm test` for the whole run. */
export const TEMPORAL_ADDRESS_VARIABLE = 'IOT_RUNBOOKS_TEST_TEMPORAL';

let ownServer: Promise<TemporalServer> | undefined;

/** The run's Temporal server; when a file is run by hand, one of its own that ends with the file. */
export async function temporalAddress(): Promise<string> {
  const shared = process.env[TEMPORAL_ADDRESS_VARIABLE];
  if (shared !== undefined) return shared;
  ownServer ??= startTemporal();
  return (await ownServer).address;
}

afterAll(async () => {
  await (await ownServer)?.stop();
});
