import { exec } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createAgent } from '../../../../device-agent/agent';
import { agentConfig } from '../../../../device-agent/config';
import { runFuzz } from '../fuzz/fuzz';
import type { FromTarget, TargetSettings, ToTarget } from '../protocol';
import { CloudLink } from './cloud-session';
import { guard } from './guard';

/** The process that is attacked: what it must not do is noticed in here, that it ended from without. */

const settings = JSON.parse(process.argv[2] ?? '{}') as TargetSettings;
const kept: Buffer[] = [];

function send(message: FromTarget): void {
  if (process.connected) process.send?.(message);
}

async function memory(): Promise<number> {
  for (let turn = 0; turn < 3; turn += 1) {
    global.gc?.();
    await sleep(20);
  }
  return process.memoryUsage.rss() / 1_048_576;
}

function sabotage({ harm, path }: Extract<ToTarget, { kind: 'sabotage' }>): void {
  switch (harm) {
    case 'crash':
      setImmediate(() => void Promise.reject(new Error('sabotage')));
      break;
    case 'escape':
      writeFileSync(path, 'escaped');
      break;
    case 'shell':
      exec('true');
      break;
    case 'growth':
      for (let mib = 0; mib < 64; mib += 1) kept.push(Buffer.alloc(1_048_576, kept.length + 1));
      break;
  }
}

async function runAgent(given: Extract<TargetSettings, { kind: 'agent' }>): Promise<void> {
  const config = agentConfig.parse(given.config);
  const link = new CloudLink(send);
  const { application } = config;
  const command = application === null ? [] : [application.command, ...application.args];
  const rules = { writable: given.writable, commands: [command], mayKill: true };
  guard(rules, (finding) => send({ kind: 'finding', finding }));
  const log = pino({ level: given.logLevel }, pino.destination({ dest: 1, sync: true }));
  const agent = createAgent(config, log, {
    onWedged: (what) => send({ kind: 'finding', finding: { harm: 'hang', what } }),
  });
  process.on('message', (message: ToTarget) => {
    if (message.kind === 'message') link.deliver(message.topic, message.payload);
    else if (message.kind === 'drop') link.drop();
    else if (message.kind === 'measure') void memory().then((mib) => send({ kind: 'memory', mib }));
    else if (message.kind === 'sabotage') sabotage(message);
    else void agent.stop().then(() => process.exit(0));
  });
  await agent.start();
  send({ kind: 'ready' });
}

async function fuzz(given: Extract<TargetSettings, { kind: 'fuzz' }>): Promise<void> {
  const rules = { writable: given.writable, commands: [], mayKill: false };
  guard(rules, (finding) => send({ kind: 'finding', finding }));
  await runFuzz(given, {
    found: (finding) => send({ kind: 'finding', finding }),
    fuzzed: (count) => send({ kind: 'fuzzed', count }),
    warm: async () => send({ kind: 'memory', mib: await memory() }),
  });
  send({ kind: 'memory', mib: await memory() });
  send({ kind: 'done' });
  process.on('message', () => process.exit(0));
}

process.once('disconnect', () => process.exit(0));
void (settings.kind === 'agent' ? runAgent(settings) : fuzz(settings));
