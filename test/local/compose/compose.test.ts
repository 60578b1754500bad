import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { NAMES } from '../../../domain/names';
import { loadConfig as loadEnrolConfig } from '../../../local/compose/config';
import { DYNAMIC_CONFIG, searchAttributeFlags } from '../../../local/stack/temporal';
import { loadConfig as loadProvisionConfig } from '../../../triggers/cli/provision/config';
import { loadConfig as loadWebhookConfig } from '../../../triggers/webhook/config';
import { loadConfig as loadWorkerConfig } from '../../../workers/config';
import { loadConfig as loadTelemetryConfig } from '../../../workers/telemetry/config';
import { compose, dockerfile, ROOT, service, services } from './compose-file';

/** The loader of each process of ours that takes its configuration from the environment. */
const LOADERS: Record<string, (env: NodeJS.ProcessEnv) => object> = {
  webhook: loadWebhookConfig,
  provision: loadProvisionConfig,
  worker: loadWorkerConfig,
  telemetry: loadTelemetryConfig,
  enrol: loadEnrolConfig,
};
/** Read by the AWS SDK itself. */
const SDK_VARIABLES = ['AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];

/** What the loader makes of it: the configuration, or the complaint. */
function outcome(load: (env: NodeJS.ProcessEnv) => object, env: Record<string, string>): string {
  try {
    return JSON.stringify(load(env));
  } catch (err) {
    return String(err);
  }
}

describe('the environment of each process', () => {
  it.each(Object.entries(LOADERS))('is one that %s can start with', (name, load) => {
    expect(() => load(service(name).environment)).not.toThrow();
    expect(() => load({})).toThrow();
  });

  it.each(Object.entries(LOADERS))('sets nothing that %s does not read', (name, load) => {
    const { environment } = service(name);
    const whole = outcome(load, environment);
    const idle = Object.keys(environment)
      .filter((variable) => !SDK_VARIABLES.includes(variable))
      .filter((variable) => {
        const rest = Object.fromEntries(
          Object.entries(environment).filter(([name]) => name !== variable),
        );
        return outcome(load, rest) === whole;
      });
    expect(idle).toEqual([]);
  });

  it('is one that the emulator can start with', () => {
    const script = 'import os, settings; print(settings.read_settings(os.environ).gateway_port)';
    const port = execFileSync('python3', ['-c', script], {
      cwd: join(ROOT, 'local', 'emulator'),
      env: {
        PATH: process.env['PATH'],
        PYTHONDONTWRITEBYTECODE: '1',
        ...service('emulator').environment,
      },
      encoding: 'utf8',
    });
    expect(`http://127.0.0.1:${port.trim()}`).toBe(
      service('worker').environment['AWS_ENDPOINT_URL'],
    );
  });

  it('names the alarm topic that provisioning makes', () => {
    const { sns } = loadWebhookConfig(service('webhook').environment).senders;
    expect(sns?.topics.map(({ arn }) => arn)).toEqual([
      `arn:aws:sns:eu-west-1:000000000000:${NAMES.alarmTopic}`,
    ]);
  });

  it('covers every process of ours that has one', () => {
    const ours = services.filter(([name, { build, environment }]) => {
      return build !== undefined && name !== 'emulator' && Object.keys(environment).length > 0;
    });
    expect(ours.map(([name]) => name).sort()).toEqual(Object.keys(LOADERS).sort());
  });
});

describe('the Temporal server', () => {
  it('has the search attributes and limits of the local stack', () => {
    const flags = service('temporal').command ?? [];
    const pairs = searchAttributeFlags();
    const attributes = pairs.flatMap((flag, index) =>
      index % 2 === 0 ? [`${flag}=${pairs[index + 1] ?? ''}`] : [],
    );
    const limits = DYNAMIC_CONFIG.map((value) => `--dynamic-config-value=${value}`);
    expect(flags.filter((flag) => flag.startsWith('--search-attribute='))).toEqual(attributes);
    expect(flags.filter((flag) => flag.startsWith('--dynamic-config-value='))).toEqual(limits);
  });
});

describe('the containers', () => {
  it('come from pinned images', () => {
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image = '']) => image);
    const pulled = services
      .filter(([, { build }]) => build === undefined)
      .map(([, { image }]) => image);
    expect([...bases, ...pulled].filter((image) => !/:\d+\.\d+\.\d+[\w.-]*$/.test(image))).toEqual(
      [],
    );
    expect(bases.length).toBeGreaterThan(0);
  });

  it('do not run as root', () => {
    const stages = dockerfile.split(/^FROM /m).slice(1);
    const users = stages.map((stage) => /^USER (\S+)$/m.exec(stage)?.[1]);
    expect(users.filter((user) => user === undefined || user === 'root' || user === '0')).toEqual(
      [],
    );
    const foreign = services.filter(([, { build }]) => build === undefined);
    expect(foreign.filter(([, { user }]) => !/^[1-9]/.test(user ?? ''))).toEqual([]);
  });

  it('publish their ports on the loopback interface alone', () => {
    const ports = services.flatMap(([, each]) => each.ports);
    expect(ports.length).toBeGreaterThan(0);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });

  it('tell whether they are healthy where they serve something', () => {
    const serving = ['temporal', 'emulator', 'webhook', 'worker'];
    expect(serving.filter((name) => service(name).healthcheck === undefined)).toEqual([]);
  });

  it('wait for services that exist, and for health only where it is told', () => {
    const waits = services.flatMap(([name, { depends_on: on }]) =>
      Object.entries(on).map(([target, { condition }]) => ({ name, target, condition })),
    );
    const wrong = waits.filter(({ target, condition }) => {
      const waited = service(target);
      return condition === 'service_healthy'
        ? waited.healthcheck === undefined
        : waited.restart !== 'no';
    });
    expect(wrong).toEqual([]);
    expect(waits.length).toBeGreaterThan(5);
  });

  it('are built from, run and mount what exists', () => {
    const targets = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, name]) => name);
    const missing = services.flatMap(([name, { build, command = [], volumes, image }]) => [
      ...(build !== undefined && !targets.includes(build.target)
        ? [`${name}: ${build.target}`]
        : []),
      ...command
        .filter((word) => image === 'iot-runbooks:local' && word.endsWith('.ts'))
        .filter((file) => !existsSync(join(ROOT, file))),
      ...volumes
        .map((volume) => volume.split(':')[0] ?? '')
        .filter((source) => !(source in compose.volumes) && !existsSync(join(ROOT, source))),
    ]);
    const copied = [...dockerfile.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, from = '']) =>
      from.split(' '),
    );
    expect([...missing, ...copied.filter((file) => !existsSync(join(ROOT, file)))]).toEqual([]);
    expect(copied.length).toBeGreaterThan(5);
  });

  it('have in the image every folder that they run from', () => {
    const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
    const folders = services
      .filter(([, { image }]) => image === 'iot-runbooks:local')
      .map(([, { command = [] }]) => command[0]?.split('/')[0] ?? '');
    expect(folders.filter((folder) => !dockerfile.includes(`COPY ${folder} `))).toEqual([]);
    expect(folders.filter((folder) => !ignored.includes(`!${folder}`))).toEqual([]);
  });
});
