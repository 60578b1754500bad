import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'mqtt';
import { dataPrefix } from '../../domain/device-protocol/topics';
import type { FleetDevice } from '../fleet';
import type { Emulator } from '../stack/emulator';

/** `refused` is the broker's word, PUBACK "not authorized"; `not connected` says nothing of what is allowed. */
export type IntruderAnswer = 'accepted' | 'refused' | 'not connected';

type Credentials = Pick<FleetDevice, 'thing' | 'certFile' | 'keyFile'>;

/** https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html, 3.4.2.1 */
const NOT_AUTHORIZED = 135;
const PATIENCE_MS = 5_000;
/** Client id and session are the agent's, which takes them back as soon as it can: the publish may come too late. */
const ATTEMPTS = 5;

/**
 * Whoever has the device's certificate and key, and not its agent, which would fall silent of its own accord: connects as the
 * device and publishes one reading. The agent loses its session to it for a moment and reconnects.
 */
export async function intrude(
  mqtt: Emulator['mqtt'],
  device: Credentials,
): Promise<IntruderAnswer> {
  let answer: IntruderAnswer = 'not connected';
  for (let attempt = 1; attempt <= ATTEMPTS && answer === 'not connected'; attempt += 1)
    answer = await publishAs(mqtt, device);
  return answer;
}

async function publishAs(
  { host, port, caFile }: Emulator['mqtt'],
  { thing, certFile, keyFile }: Credentials,
): Promise<IntruderAnswer> {
  const client = connect({
    protocol: 'mqtts',
    host,
    port,
    ca: readFileSync(caFile),
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    clientId: thing,
    protocolVersion: 5,
    clean: true,
    connectTimeout: PATIENCE_MS,
    reconnectPeriod: 0,
  });
  // The close that follows each is what is reported.
  client.on('error', () => undefined);
  const closed = new Promise<IntruderAnswer>((resolve) =>
    client.once('close', () => resolve('not connected')),
  );
  const answered = new Promise<IntruderAnswer>((resolve) =>
    client.once('connect', () => {
      const reading = JSON.stringify({ reading: 0, celsius: 99 });
      client.publish(`${dataPrefix(thing)}readings`, reading, { qos: 1 }, (error) =>
        resolve(answerOf(error)),
      );
    }),
  );
  const late = sleep(2 * PATIENCE_MS, 'not connected' as const, { ref: false });
  try {
    return await Promise.race([answered, closed, late]);
  } finally {
    await client.endAsync(true);
  }
}

function answerOf(error: Error | null | undefined): IntruderAnswer {
  if (error === null || error === undefined) return 'accepted';
  return 'code' in error && error.code === NOT_AUTHORIZED ? 'refused' : 'not connected';
}
