import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Firmware } from './publisher';

const SAMPLE_APP = resolve(__dirname, '..', 'sample-app');
const read = (name: string): Promise<string> => readFile(join(SAMPLE_APP, name), 'utf8');

/** The sample application; the bad one dies as soon as it runs, which only running it can show. */
export async function nodeFirmware(version: string, kind: 'good' | 'bad'): Promise<Firmware> {
  const fault = kind === 'bad' ? 'setTimeout(() => process.exit(70), 300);\n' : '';
  return { 'main.mjs': `// Firmware ${version}\n${await read('main.mjs')}${fault}` };
}

/** What may be wrong with a build, in a way that only running it shows. */
export const BAD_BUILDS = ['crash', 'hang', 'late', 'liar', 'network', 'wave3'] as const;
export type BadBuild = (typeof BAD_BUILDS)[number];

/** Long after its device confirmed it, and before a soak is over. */
const LATE_SECONDS = 12;

interface Fault {
  about: string;
  files: Firmware;
}

const DIES = 'sleep 0.5\nexit 70\n';
export const FAULTS: Record<BadBuild, Fault> = {
  crash: {
    about: 'ends half a second after its start',
    files: { 'fault.sh': DIES },
  },
  hang: {
    about: 'runs, but its health check never answers',
    files: { 'health.sh': '#!/bin/sh\nexec sleep 600\n' },
  },
  late: {
    about: `is healthy for ${LATE_SECONDS} s, is confirmed, and then turns unhealthy`,
    files: { 'fault.sh': `( sleep ${LATE_SECONDS}; echo '{"health":"unhealthy"}' ) &\n` },
  },
  liar: {
    about: 'says that it is healthy, and floods a topic that it may not publish to',
    files: { 'fault.sh': 'FLOODS=yes\n' },
  },
  network: {
    about: 'runs well, and cuts its device off the network',
    files: { 'fault.sh': ': > "$SAMPLE_APP_NETWORK_FILE"\n' },
  },
  wave3: {
    about: 'ends half a second after its start, on devices of the third wave alone',
    files: {
      'fault.sh': `if grep -qx "$SAMPLE_APP_THING" "$SAMPLE_APP_WAVE_FILE"; then ${DIES.replace('\n', '; ').trim()}; fi\n`,
    },
  },
};

/** The light application of a large fleet, as it should be or with a fault. */
export async function shellFirmware(version: string, fault: BadBuild | null): Promise<Firmware> {
  const good = { 'main.sh': await read('main.sh'), 'health.sh': await read('health.sh') };
  const files = { ...good, ...(fault !== null && FAULTS[fault].files) };
  return { ...files, VERSION: `${version}\n` };
}
