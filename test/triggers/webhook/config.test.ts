import { describe, expect, it } from '@jest/globals';

import { loadConfig } from '../../../triggers/webhook/config';
import { CREDENTIALS, SENDER_ENVIRONMENT } from '../../support/senders';

const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:iot-runbooks-alarms';

describe('the configuration of the webhook', () => {
  it('needs only one sender, such as topics of SNS; certificates come from the host of each topic', () => {
    const china = 'arn:aws-cn:sns:cn-north-1:123456789012:alarms';
    expect(loadConfig({ SNS_TOPIC_ARNS: `${TOPIC}, ${china}`, SNS_CA_FILE: '' })).toEqual({
      host: '127.0.0.1',
      port: 8088,
      senders: {
        sns: {
          topics: [
            { arn: TOPIC, region: 'eu-west-1', signingHost: 'sns.eu-west-1.amazonaws.com' },
            { arn: china, region: 'cn-north-1', signingHost: 'sns.cn-north-1.amazonaws.com.cn' },
          ],
        },
      },
      temporal: { address: '127.0.0.1:7233', namespace: 'default' },
      runbooksFolder: 'runbooks',
      rateLimitPerMinute: 6_000,
      trustedProxies: 0,
      logLevel: 'info',
    });
  });

  it('takes a host of signing certificates and its trust anchor', () => {
    const env = {
      SNS_TOPIC_ARNS: TOPIC,
      SNS_SIGNING_HOST: 'localhost:4443',
      SNS_CA_FILE: 'ca.pem',
    };
    expect(loadConfig(env).senders).toMatchObject({
      sns: { caFile: 'ca.pem', topics: [{ signingHost: 'localhost:4443' }] },
    });
  });

  it('takes each sender by itself; one without a credential is left out', () => {
    const { EVENTBRIDGE_API_KEYS, EVENTBRIDGE_REGIONS } = SENDER_ENVIRONMENT;
    expect(loadConfig({ EVENTBRIDGE_API_KEYS, EVENTBRIDGE_REGIONS }).senders).toEqual({
      eventbridge: { apiKeys: CREDENTIALS.apiKeys, regions: ['eu-west-1'] },
    });
    const { ALERTMANAGER_TOKENS, STANDARD_WEBHOOKS_SECRETS } = SENDER_ENVIRONMENT;
    expect(loadConfig({ ALERTMANAGER_TOKENS }).senders).toEqual({
      alertmanager: { tokens: CREDENTIALS.tokens, dimensions: { thing: 'ThingName' } },
    });
    expect(loadConfig({ STANDARD_WEBHOOKS_SECRETS }).senders).toEqual({
      webhook: { secrets: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] },
    });
  });

  it('takes which labels become which dimensions, and where Alertmanager is asked', () => {
    const env = {
      ALERTMANAGER_TOKENS: SENDER_ENVIRONMENT.ALERTMANAGER_TOKENS,
      ALERTMANAGER_DIMENSIONS: 'device=ThingName, site=Site',
      ALERTMANAGER_URL: 'http://alertmanager:9093/prefix',
      ALERTMANAGER_API_TOKEN: 'x',
    };
    expect(loadConfig(env).senders.alertmanager).toMatchObject({
      dimensions: { device: 'ThingName', site: 'Site' },
      url: 'http://alertmanager:9093/prefix',
      apiToken: 'x',
    });
  });

  it.each([
    ['SNS_TOPIC_ARNS', undefined],
    ['SNS_TOPIC_ARNS', 'alarms'],
    ['SNS_TOPIC_ARNS', `${TOPIC},*`],
    ['SNS_TOPIC_ARNS', TOPIC.replace(':iot-runbooks-alarms', ':*')],
    ['SNS_SIGNING_HOST', 'https://localhost'],
    ['SNS_SIGNING_HOST', 'user@localhost'],
    ['WEBHOOK_PORT', '65536'],
    ['WEBHOOK_PORT', '-1'],
    ['WEBHOOK_PORT', '80a'],
    ['AWS_ENDPOINT_URL', 'localhost'],
    ['AWS_ENDPOINT_URL', 'file:///etc/passwd'],
    ['TEMPORAL_ADDRESS', 'http://localhost:7233'],
    ['WEBHOOK_RATE_LIMIT_PER_MINUTE', '0'],
    ['WEBHOOK_TRUSTED_PROXIES', '11'],
    ['LOG_LEVEL', 'all'],
    ['EVENTBRIDGE_API_KEYS', 'short'],
    ['EVENTBRIDGE_API_KEYS', `${'k'.repeat(32)},`],
    ['EVENTBRIDGE_API_KEYS', Array.from({ length: 5 }, () => 'k'.repeat(32)).join(',')],
    ['EVENTBRIDGE_REGIONS', 'eu-west-1'],
    ['EVENTBRIDGE_REGIONS', 'europe'],
    ['ALERTMANAGER_TOKENS', `${'t'.repeat(32)}\n`.repeat(2)],
    ['ALERTMANAGER_URL', 'http://alertmanager:9093'],
    ['ALERTMANAGER_URL', 'alertmanager:9093'],
    ['ALERTMANAGER_DIMENSIONS', 'thing'],
    ['ALERTMANAGER_DIMENSIONS', 'thing-name=ThingName'],
    ['STANDARD_WEBHOOKS_SECRETS', Buffer.alloc(32).toString('base64')],
    ['STANDARD_WEBHOOKS_SECRETS', `whsec_${Buffer.alloc(23).toString('base64')}`],
    ['STANDARD_WEBHOOKS_SECRETS', `whsec_${Buffer.alloc(65).toString('base64')}`],
    ['STANDARD_WEBHOOKS_SECRETS', 'whsec_*'],
  ])('names a wrong %s: %j', (name, value) => {
    expect(() => loadConfig({ SNS_TOPIC_ARNS: TOPIC, [name]: value })).toThrow(`: ${name} `);
  });

  it('says which credentials there could be where none is set', () => {
    for (const name of ['SNS_TOPIC_ARNS', 'EVENTBRIDGE_API_KEYS', 'ALERTMANAGER_TOKENS'])
      expect(() => loadConfig({})).toThrow(name);
  });

  it('never repeats a credential', () => {
    const load = () => loadConfig({ EVENTBRIDGE_API_KEYS: 'a-short-secret' });
    expect(load).toThrow('EVENTBRIDGE_API_KEYS');
    expect(load).not.toThrow('a-short-secret');
  });

  it('names all that is wrong at once', () => {
    const load = () => loadConfig({ WEBHOOK_PORT: 'x', LOG_LEVEL: 'y' });
    for (const name of ['SNS_TOPIC_ARNS', 'WEBHOOK_PORT', 'LOG_LEVEL']) expect(load).toThrow(name);
  });
});
