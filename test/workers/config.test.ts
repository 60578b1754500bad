import { describe, expect, it } from '@jest/globals';
import { TASK_QUEUES } from '../../domain/temporal';
import { loadConfig } from '../../workers/config';

const GOOD = {
  AWS_REGION: 'eu-west-1',
  AWS_ACCOUNT_ID: '000000000000',
  IOT_DATA_ENDPOINT: 'https://prefix-ats.iot.eu-west-1.amazonaws.com',
};

const problemOf = (env: Record<string, string>): string => {
  try {
    loadConfig(env);
  } catch (err) {
    if (err instanceof Error && err.name === 'ConfigError') return err.message;
    throw err;
  }
  throw new Error('it was accepted');
};

describe("the worker's configuration", () => {
  it('works on every queue of the local Temporal server unless told otherwise', () => {
    expect(loadConfig(GOOD)).toMatchObject({
      temporal: { address: '127.0.0.1:7233', namespace: 'default' },
      queues: Object.values(TASK_QUEUES),
      logLevel: 'INFO',
    });
  });

  it.each([
    ['https://releases.example/fleet', { url: 'https://releases.example/fleet' }],
    ['s3://releases/fleet/a/', { bucket: 'releases', prefix: 'fleet/a' }],
    ['s3://releases', { bucket: 'releases', prefix: '' }],
  ])('takes releases from %s', (RELEASES_FROM, from) => {
    const releases = { from, rootFile: '/etc/fleet/root.json' };
    const env = { ...GOOD, RELEASES_FROM, RELEASES_ROOT: releases.rootFile };
    expect(loadConfig(env).releases).toEqual(releases);
    expect(loadConfig(GOOD).releases).toBeUndefined();
  });

  it.each([
    [
      { RELEASES_FROM: 'https://releases.example' },
      'RELEASES_FROM and RELEASES_ROOT must be given',
    ],
    [{ RELEASES_ROOT: 'root.json' }, 'RELEASES_FROM and RELEASES_ROOT must be given together'],
    [
      { RELEASES_FROM: '/srv/releases', RELEASES_ROOT: 'root.json' },
      'must be an http(s) URL or s3',
    ],
    [{ RELEASES_FROM: 's3://', RELEASES_ROOT: 'root.json' }, 'must be an http(s) URL or s3'],
    [{ RELEASES_FROM: 'file:///srv', RELEASES_ROOT: 'root.json' }, 'must be an http(s) URL or s3'],
  ])('refuses releases of %j', (env, problem) => {
    expect(problemOf({ ...GOOD, ...env })).toContain(problem);
  });

  it('takes what is set', () => {
    const env = {
      ...GOOD,
      TEMPORAL_ADDRESS: 'temporal.example:443',
      TEMPORAL_NAMESPACE: 'fleet',
      TEMPORAL_TLS_CERT_FILE: '/tls/client.pem',
      TEMPORAL_TLS_KEY_FILE: '/tls/client.key',
      WORKER_QUEUES: 'runbooks, read',
      METRICS_ADDRESS: '127.0.0.1:9464',
      LOG_LEVEL: 'warn',
    };
    expect(loadConfig(env)).toMatchObject({
      temporal: {
        address: 'temporal.example:443',
        namespace: 'fleet',
        tls: { certFile: '/tls/client.pem', keyFile: '/tls/client.key' },
      },
      queues: ['runbooks', 'read'],
      metricsAddress: '127.0.0.1:9464',
      logLevel: 'WARN',
    });
  });

  it('takes an empty variable as one that is not set, and works on a queue named twice once', () => {
    const env = { ...GOOD, METRICS_ADDRESS: '', TEMPORAL_API_KEY: '', WORKER_QUEUES: 'read,read' };
    const config = loadConfig(env);
    expect(config).not.toHaveProperty('metricsAddress');
    expect(config.temporal).not.toHaveProperty('apiKey');
    expect(config.queues).toEqual(['read']);
  });

  it.each<[string, Record<string, string>]>([
    ['AWS_REGION', { AWS_REGION: 'everywhere' }],
    ['AWS_REGION', { AWS_REGION: '' }],
    ['AWS_ACCOUNT_ID', { AWS_ACCOUNT_ID: '12345' }],
    ['AWS_ACCOUNT_ID', { AWS_ACCOUNT_ID: '00000000000a' }],
    ['AWS_ENDPOINT_URL', { AWS_ENDPOINT_URL: 'file:///etc/passwd' }],
    ['IOT_DATA_ENDPOINT', { IOT_DATA_ENDPOINT: 'prefix-ats.iot.eu-west-1.amazonaws.com' }],
    ['IOT_DATA_ENDPOINT', { IOT_DATA_ENDPOINT: '' }],
    ['TEMPORAL_ADDRESS', { TEMPORAL_ADDRESS: 'http://127.0.0.1:7233' }],
    ['TEMPORAL_ADDRESS', { TEMPORAL_ADDRESS: '127.0.0.1' }],
    ['TEMPORAL_TLS_KEY_FILE', { TEMPORAL_TLS_CERT_FILE: '/tls/client.pem' }],
    ['WORKER_QUEUES', { WORKER_QUEUES: 'runbooks,everything' }],
    ['WORKER_QUEUES', { WORKER_QUEUES: ',' }],
    ['METRICS_ADDRESS', { METRICS_ADDRESS: '9464' }],
    ['METRICS_ADDRESS', { METRICS_ADDRESS: '127.0.0.1:99999' }],
    ['LOG_LEVEL', { LOG_LEVEL: 'verbose' }],
    ['GUARD_TABLE', { GUARD_TABLE: 'g' }],
  ])('names %s where it is %j', (name, over) => {
    const problem = problemOf({ ...GOOD, ...over });
    expect(problem).toContain(name);
    for (const other of Object.keys(GOOD).filter((key) => key !== name))
      expect(problem).not.toContain(`${other} must`);
  });

  it('lists everything that is wrong at once', () => {
    const problem = problemOf({
      LOG_LEVEL: 'verbose',
      WORKER_QUEUES: 'all',
      TEMPORAL_ADDRESS: 'x',
    });
    for (const name of [
      ...['AWS_REGION', 'AWS_ACCOUNT_ID', 'IOT_DATA_ENDPOINT'],
      ...['LOG_LEVEL', 'WORKER_QUEUES', 'TEMPORAL_ADDRESS'],
    ])
      expect(problem).toContain(name);
  });
});
