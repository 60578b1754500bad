/**
 * Workers have fixed task queues, so two files that use one Temporal server can't run at once. Each lane has a
 * server of its own, and within a lane one file runs after the other.
 */

/** The lanes' Temporal servers, separated by commas. */
export const TEMPORAL_ADDRESSES_VARIABLE = 'IOT_RUNBOOKS_TEST_TEMPORAL';

/** The tests wait as long as they compute: three keep two cores busy. */
const LANES = 3;

const OPTION = /^(--maxWorkers|-w)(=|$)/;

/** How many lanes `npm test -- ARGS` has, and Jest's arguments for it; its own options choose another number. */
export function lanesOf(args: readonly string[]): { lanes: number; jestArgs: string[] } {
  const jestArgs = [...args];
  if (args.includes('--runInBand') || args.includes('-i')) return { lanes: 1, jestArgs };
  const at = args.findIndex((arg) => OPTION.test(arg));
  if (at < 0) return { lanes: LANES, jestArgs: [...jestArgs, `--maxWorkers=${LANES}`] };
  const value = args[at]?.split('=')[1] ?? args[at + 1] ?? '';
  if (!/^[1-9]\d?$/.test(value))
    throw new Error(`--maxWorkers: needs a number from 1 to 99, not "${value}"`);
  return { lanes: Number(value), jestArgs };
}

/** The server of the lane that Jest's worker `workerId` is; Jest counts from 1, in one process too. */
export function laneAddress(addresses: string, workerId: string | undefined): string {
  const address = addresses.split(',')[Number(workerId ?? '1') - 1];
  if (address === undefined)
    throw new Error(`${TEMPORAL_ADDRESSES_VARIABLE}: no server for lane ${workerId ?? ''}`);
  return address;
}
