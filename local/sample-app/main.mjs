/**
 * The application of the demo fleet: publishes a reading each second, and misbehaves on demand by flooding a
 * topic that it may not publish to. Plain Node, one JSON object a line in and out; the agent publishes for it.
 *
 * SAMPLE_APP_THING               whose readings they are
 * SAMPLE_APP_TRIGGER_FILE        while this file exists the application misbehaves
 * SAMPLE_APP_MISBEHAVE           misbehave from the start
 * SAMPLE_APP_FLOOD_PER_SECOND    default 20
 * SAMPLE_APP_IGNORE_SIGTERM      as a hostile or hung application would
 *
 * {"command":"misbehave"} and {"command":"behave"} on standard input switch it as well.
 */
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setInterval } from 'node:timers';

const { env } = process;
const thing = env.SAMPLE_APP_THING ?? 'unnamed';
const triggerFile = env.SAMPLE_APP_TRIGGER_FILE;
const floodPerSecond = Number(env.SAMPLE_APP_FLOOD_PER_SECOND ?? 20);
const TICK_MS = 100;

let told = env.SAMPLE_APP_MISBEHAVE !== undefined;
let reading = 0;

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const publish = (topic, payload) => say({ publish: { topic, payload } });
const misbehaves = () => told || (triggerFile !== undefined && existsSync(triggerFile));

setInterval(() => {
  reading += 1;
  publish(`dt/${thing}/readings`, { reading, celsius: 20 + Math.sin(reading / 10) });
}, 1_000);

let owed = 0;
setInterval(() => {
  if (!misbehaves()) return;
  for (owed += (floodPerSecond * TICK_MS) / 1_000; owed >= 1; owed -= 1) {
    publish(`fleet/broadcast/${thing}`, { shout: reading });
  }
}, TICK_MS);

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  try {
    const { command } = JSON.parse(line);
    if (command === 'misbehave') told = true;
    if (command === 'behave') told = false;
  } catch {
    // Not a command.
  }
});
// The agent is gone: nobody listens any more.
if (env.SAMPLE_APP_IGNORE_SIGTERM === undefined) {
  input.on('close', () => process.exit(0));
  process.on('SIGTERM', () => process.exit(0));
} else {
  process.on('SIGTERM', () => undefined);
  process.stdout.on('error', () => undefined);
}
say({ health: 'healthy' });
