import { messageOf } from '../errors';
import { run, USAGE } from './client';

async function main(args: string[]): Promise<void> {
  if (args.includes('--help')) {
    console.log(USAGE);
    return;
  }
  try {
    await run(args);
  } catch (error) {
    console.error(messageOf(error));
    process.exitCode = 1;
  }
}

void main(process.argv.slice(2));
