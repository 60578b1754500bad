import { startStack } from '../../../../local/stack';

/** Starts a stack, prints its process ids, and holds it: the parent that the tests kill. */
async function main(): Promise<void> {
  const { temporal, emulator } = await startStack();
  console.log(JSON.stringify({ pids: [temporal.pid, emulator.pid] }));
}

void main();
