import { describe, expect, it } from '@jest/globals';

import { loadConfig } from '../../../triggers/webhook/config';

const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:iot-runbooks-alarms';

describe('the configuration of the webhook', () => {
  it('needs only the topics; certificates come from the host of each topic', () => {
    const china = 'arn:aws-cn:sns:cn-north-1:123456789012:alarms';
    expect(loadConfig({ SNS_TOPIC_ARNS: `${TOPIC}, ${china}`, SNS_CA_FILE: '' })).toEqual({
      host: '127.0.0.1',
      port: 8088,
      topics: [
        { arn: TOPIC, region: 'eu-west-1', signingHost: 'sns.eu-west-1.amazonaws.com' },
        { arn: china, region: 'cn-north-1', signingHost: 'sns.cn-north-1.amazonaws.com.cn' },
      ],
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
    expect(loadConfig(env)).toMatchObject({
      snsCaFile: 'ca.pem',
      topics: [{ signingHost: 'localhost:4443' }],
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
  ])('names a wrong %s: %j', (name, value) => {
    expect(() => loadConfig({ SNS_TOPIC_ARNS: TOPIC, [name]: value })).toThrow(`: ${name} `);
  });

  it('names all that is wrong at once', () => {
    const load = () => loadConfig({ WEBHOOK_PORT: 'x', LOG_LEVEL: 'y' });
    for (const name of ['SNS_TOPIC_ARNS', 'WEBHOOK_PORT', 'LOG_LEVEL']) expect(load).toThrow(name);
  });
});
