import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { InvalidConfigError, loadConfig, loadFleetConfig } from '../../device-agent/config';
import { AGENT_VERSION } from '../../device-agent/version';

const file = join(mkdtempSync(join(tmpdir(), 'agent-config-')), 'file.pem');
writeFileSync(file, 'PEM');

const valid = {
  AGENT_THING: 'pump-1',
  AGENT_HOST: 'localhost',
  AGENT_CA_FILE: file,
  AGENT_CERT_FILE: file,
  AGENT_KEY_FILE: file,
  AGENT_STATE_DIR: 'state',
  AGENT_FIRMWARE_VERSION: '1',
  AGENT_HARDWARE_VERSION: 'b',
};

function problemsOf(load: () => unknown): string[] {
  try {
    load();
  } catch (error) {
    if (error instanceof InvalidConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the configuration from the environment', () => {
  it('needs eight variables and fills in the rest', () => {
    expect(loadConfig(valid)).toMatchObject({
      thing: 'pump-1',
      port: 8883,
      protocolVersion: 5,
      telemetryIntervalMs: 30_000,
      application: null,
    });
  });

  it('reads the application, whose environment is its own', () => {
    const env = {
      ...valid,
      PATH: '/bin',
      SECRET: 'not for the application',
      AGENT_MQTT_VERSION: '3.1.1',
      AGENT_APP_COMMAND: 'node',
      AGENT_APP_ARGS: '["app.mjs"]',
      AGENT_APP_ENV: '{"COLOUR":"red"}',
    };
    expect(loadConfig(env)).toMatchObject({
      protocolVersion: 4,
      application: { command: 'node', args: ['app.mjs'] },
    });
    expect(loadConfig(env).application?.env).toEqual({ PATH: '/bin', COLOUR: 'red' });
  });

  it('names everything that is missing in one error', () => {
    const named = problemsOf(() => loadConfig({})).map((problem) => problem.split(':')[0]);
    expect(named.sort()).toEqual(Object.keys(valid).sort());
  });

  it.each([
    ['AGENT_THING', 'a/b'],
    ['AGENT_THING', '#'],
    ['AGENT_PORT', '0'],
    ['AGENT_PORT', '88x'],
    ['AGENT_CA_FILE', join(file, 'nowhere')],
    ['AGENT_MQTT_VERSION', '3'],
    ['AGENT_TELEMETRY_MS', '-1'],
    ['AGENT_HEALTH', 'superb'],
    ['AGENT_FIRMWARE_VERSION', 'x'.repeat(65)],
  ])('names %s where it is %s, and nothing else', (name, value) => {
    const problems = problemsOf(() => loadConfig({ ...valid, [name]: value }));
    expect(problems).toEqual([expect.stringMatching(`^${name}: `)]);
  });

  it('names the application’s variables, too', () => {
    const problems = problemsOf(() =>
      loadConfig({ ...valid, AGENT_APP_COMMAND: 'node', AGENT_APP_ARGS: '"one"' }),
    );
    expect(problems).toEqual([expect.stringMatching(/^AGENT_APP_ARGS: /)]);
  });
});

describe('the configuration of a host of many agents', () => {
  const agent = (thing: string, stateDir: string) => ({
    thing,
    stateDir,
    host: 'localhost',
    caFile: file,
    certFile: file,
    keyFile: file,
    firmwareVersion: '1',
    hardwareVersion: 'b',
  });
  const fleet = (...agents: object[]) => JSON.stringify({ agents });

  it('holds any number of agents', () => {
    const agents = loadFleetConfig(fleet(agent('a', 's/a'), agent('b', 's/b')));
    expect(agents.map(({ thing }) => thing)).toEqual(['a', 'b']);
  });

  it.each([
    ['no JSON', 'agents', /expected object/],
    ['no agents', fleet(), /agents: /],
    ['an unknown field', fleet({ ...agent('a', 's'), shell: 'id' }), /agents\.0: .*shell/],
    ['the same thing twice', fleet(agent('a', 's/a'), agent('a', 's/b')), /agents\.\*\.thing: a/],
    ['a shared state', fleet(agent('a', 's'), agent('b', 's')), /agents\.\*\.stateDir: s/],
  ])('is refused for %s', (_name, text, problem) => {
    expect(problemsOf(() => loadFleetConfig(text))).toEqual([expect.stringMatching(problem)]);
  });
});

it('reports the version of the package', () => {
  const text = readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8');
  expect((JSON.parse(text) as { version: string }).version).toBe(AGENT_VERSION);
});
