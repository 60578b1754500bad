import { defineUpdate, proxyActivities, setHandler, sleep } from '@temporalio/workflow';

interface Activities {
  echo(text: string): Promise<string>;
}

const { echo } = proxyActivities<Activities>({ startToCloseTimeout: '10 seconds' });

export const poke = defineUpdate<number>('poke');

/** Enough of everything that a worker does with the server: activities, a timer, an Update, a large payload. */
export async function carried(text: string): Promise<string> {
  let pokes = 0;
  setHandler(poke, () => (pokes += 1));
  const first = await echo(text);
  await sleep('50 milliseconds');
  return echo(first);
}
