import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { alarmIntakeId } from '../../domain/alarm/intake-id';
import { identity } from '../../triggers/webhook/alertmanager/payload';
import { alarmPayload, toAlarm } from '../../triggers/webhook/standard-webhooks/payload';
import {
  alarmEvent,
  alert,
  alertGroup,
  alertLabels,
  alertmanagerHeaders,
  eventBridgeHeaders,
  toolAlarm,
  webhookHeaders,
  type Body,
  type Headers,
} from '../support/senders';
import { pick, type Random } from './webhook-requests';

export interface Shot {
  path: string;
  headers: Headers;
  body: Body;
  valid: boolean;
}

const STARTED = '2026-11-24T12:00:00.123Z';
export const ALERTED = Array.from({ length: 5 }, (_, index) => `alerted-${index}`);
export const TOLD = Array.from({ length: 5 }, (_, index) => `told-${index}`);

export interface PlayedAlertmanager {
  url: string;
  host: string;
  close(): void;
}

/** Answers that the alerts of `ALERTED` fire, and nothing else does. */
export async function playAlertmanager(): Promise<PlayedAlertmanager> {
  const firing = ALERTED.map((thing) => ({ labels: alertLabels(thing), startsAt: STARTED }));
  const server = createServer((_request, response) => void response.end(JSON.stringify(firing)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://${host}`, host, close };
}

const ROOT = join(__dirname, '../..');
const TOOL_ROUTE = `
  - { alarm: scanner/*, sources: [webhook], verify: sender, accounts: any, regions: any, subject: ThingName, severity: medium }`;

/** The repository's, and a route for the tool. */
export function runbooksWithToolRoute(folder: string): string {
  const yaml = readFileSync(join(ROOT, 'runbooks/quarantine.yaml'), 'utf8');
  const runbooks = join(folder, 'runbooks');
  mkdirSync(runbooks);
  writeFileSync(
    join(runbooks, 'quarantine.yaml'),
    yaml.replace('\nroutes:', `\nroutes:${TOOL_ROUTE}`),
  );
  return runbooks;
}

/** The only intakes that Alertmanager and the tool account for. */
export const expectedIntakes = (): string[] => [
  ...ALERTED.map((thing) =>
    alarmIntakeId({ arn: identity(alertLabels(thing)), stateChangedAt: STARTED }),
  ),
  ...TOLD.map((thing) => alarmIntakeId(toAlarm(alarmPayload.parse(toolAlarm(thing))))),
];

const eventBridge = (event: unknown, headers = eventBridgeHeaders()): Omit<Shot, 'valid'> => ({
  path: '/alarms/eventbridge',
  headers,
  body: JSON.stringify(event),
});
const alertmanager = (group: unknown, headers = alertmanagerHeaders()): Omit<Shot, 'valid'> => ({
  path: '/alarms/alertmanager',
  headers,
  body: JSON.stringify(group),
});
const tool = (alarm: unknown, signing = {}): Omit<Shot, 'valid'> => {
  const body = JSON.stringify(alarm);
  return { path: '/alarms/webhook', headers: webhookHeaders(body, signing), body };
};

/** True alarms of all three; those of EventBridge are of things that SNS tells of too. */
export function* validShots(things: readonly string[]): Generator<Shot, undefined> {
  for (const thing of things) yield { ...eventBridge(alarmEvent(thing)), valid: true };
  for (const thing of ALERTED) yield { ...alertmanager(alertGroup([alert(thing)])), valid: true };
  for (const thing of TOLD) yield { ...tool(toolAlarm(thing)), valid: true };
  return undefined;
}

const replayedEvent = randomUUID();
const replayedTool = { id: 'msg_replayed' };
const WRONG_KEY = 'k9-0123456789abcdefghijklmnopqrstuv';
const WRONG_SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
const nowS = (): number => Math.floor(Date.now() / 1_000);

type Make = (random: Random, true_: string) => Omit<Shot, 'valid'>;

/** Each starts nothing, or nothing that has not been started: forged, stale, replayed, untrue, mistyped. */
const KINDS: Make[] = [
  (_random, thing) => eventBridge(alarmEvent(thing), eventBridgeHeaders(WRONG_KEY)),
  (_random, thing) => eventBridge(alarmEvent(thing), { 'content-type': 'application/json' }),
  (_random, thing) => eventBridge(alarmEvent(thing, { id: replayedEvent })),
  () => eventBridge(alarmEvent('no-such-thing')),
  (_random, thing) => eventBridge(alarmEvent(thing, { resources: ['arn:aws:x'] })),
  (_random, thing) => eventBridge(alarmEvent(thing, { region: 'us-east-1' })),
  (_random, thing) => eventBridge(alarmEvent(thing, { detail: null })),
  (_random, thing) => eventBridge(alarmEvent(thing, {}, { value: 'OK' })),
  (_random, thing) =>
    eventBridge(alarmEvent(thing), { ...eventBridgeHeaders(), 'content-type': 'text/plain' }),
  () => alertmanager(alertGroup([alert(ALERTED[0] ?? '')]), alertmanagerHeaders(WRONG_KEY)),
  () => alertmanager(alertGroup([alert(ALERTED[0] ?? '')])),
  (random) => alertmanager(alertGroup([alert(`victim-${Math.floor(random() * 1e6)}`)])),
  () => alertmanager(alertGroup([alert('*'), alert('../x'), alert('')])),
  () => alertmanager(alertGroup([alert(ALERTED[0] ?? '', { status: 'resolved' })])),
  () => alertmanager(alertGroup([alert('x', { labels: [] })])),
  () => alertmanager(alertGroup(Array.from({ length: 300 }, (_, index) => alert(`v-${index}`)))),
  (random) => tool(toolAlarm(`victim-${Math.floor(random() * 1e6)}`), { secret: WRONG_SECRET }),
  (random) => ({ ...tool(toolAlarm('told-0')), body: `{"x":${random()}}` }),
  (random) =>
    tool(toolAlarm('victim'), {
      timestamp: nowS() + pick(random, [-1, 1]) * Math.floor(320 + random() * 1e6),
    }),
  () => tool(toolAlarm('told-0'), replayedTool),
  () => tool(toolAlarm('victim', {}, { name: 'iot-runbooks/RefusedPublishes/victim' })),
  () => tool(toolAlarm('*')),
  (random) => tool(toolAlarm('victim', { [pick(random, ['type', 'data', 'extra'])]: null })),
];

const paths = ['eventbridge', 'alertmanager', 'webhook'] as const;
/** Bodies that are refused whoever sends them. */
const BODIES: ((random: Random) => Body)[] = [
  (random) => '['.repeat(33 + Math.floor(random() * 50_000)),
  () => '',
  () => 'null',
  (random) =>
    Buffer.from(
      Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256)),
    ),
];
const OVERSIZED = 'x'.repeat(262_145);

export function hostileShot(random: Random, things: readonly string[]): Shot {
  const dice = random();
  if (dice > 0.2) {
    const make = KINDS[Math.floor(random() * KINDS.length)];
    const thing = things[Math.floor(random() * things.length)] ?? '';
    if (make !== undefined) return { ...make(random, thing), valid: false };
  }
  const make = BODIES[Math.floor(random() * BODIES.length)];
  const body = dice < 0.01 || make === undefined ? OVERSIZED : make(random);
  const name = pick(random, paths);
  const headers = {
    eventbridge: eventBridgeHeaders,
    alertmanager: alertmanagerHeaders,
    webhook: () => webhookHeaders(body),
  }[name]();
  return { path: `/alarms/${name}`, headers, body, valid: false };
}
