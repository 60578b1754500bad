import { runDoubleCuts } from './run';

/** `main.ts <seed> <count>`: a line of JSON for each double cut. */
async function main([seed, count]: string[]): Promise<void> {
  await runDoubleCuts({
    seed: Number(seed),
    count: Number(count),
    onReport: (report) => process.stdout.write(`${JSON.stringify(report)}\n`),
  });
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : String(error)}\n`);
    process.exit(1);
  },
);
