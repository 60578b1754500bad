import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import {
  AddThingToThingGroupCommand,
  CreateThingGroupCommand,
  DeleteV2LoggingLevelCommand,
  GetV2LoggingOptionsCommand,
  ListV2LoggingLevelsCommand,
  SetV2LoggingLevelCommand,
  SetV2LoggingOptionsCommand,
  type LogLevel,
  type LogTarget,
} from '@aws-sdk/client-iot';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import {
  START_TIMEOUT_MS,
  clientsOf,
  connect,
  enrol,
  errorName,
  policyDocument,
  publish,
  statement,
} from './support';

const GROUP = 'AWSIotLogsV2';
const LIMITED = policyDocument(
  statement('Allow', 'iot:Connect', '*'),
  statement('Allow', 'iot:Publish', 'arn:aws:iot:*:*:topic/open/*'),
  statement('Allow', 'iot:Subscribe', 'arn:aws:iot:*:*:topicfilter/open/*'),
);

describe("AWS IoT's own log", () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator();
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  const setLevel = (logTarget: LogTarget, logLevel: LogLevel) =>
    clientsOf(emulator).iot.send(new SetV2LoggingLevelCommand({ logTarget, logLevel }));
  const setOptions = (defaultLogLevel: LogLevel, disableAllLogs = false) =>
    clientsOf(emulator).iot.send(
      new SetV2LoggingOptionsCommand({ defaultLogLevel, disableAllLogs }),
    );

  /** The entries that mention the client, found with a plain quoted term. */
  async function entriesOf(clientId: string): Promise<Record<string, unknown>[]> {
    const { logs } = clientsOf(emulator);
    try {
      const found = await logs.send(
        new FilterLogEventsCommand({ logGroupName: GROUP, filterPattern: `"${clientId}"` }),
      );
      return (found.events ?? []).map(
        ({ message }) => JSON.parse(message ?? '') as Record<string, unknown>,
      );
    } catch (error) {
      if (error instanceof Error && error.name === 'ResourceNotFoundException') return [];
      throw error;
    }
  }

  /** Connects, publishes once where it may and once where it may not, and disconnects. */
  async function act(thing: string): Promise<void> {
    const device = await enrol(clientsOf(emulator).iot, thing, LIMITED);
    const client = await connect(emulator, device);
    await client.subscribeAsync('open/in');
    expect(await publish(client, 'open/out')).toBe('accepted');
    expect(await publish(client, 'closed/out')).toBe('refused');
    await client.endAsync();
  }

  const summary = (entries: Record<string, unknown>[]) =>
    entries.map(({ eventType, status, logLevel }) => [eventType, status, logLevel].join(' '));

  it('is not configured before its options are set, and writes nothing until a level is', async () => {
    const { iot } = clientsOf(emulator);
    const target = { targetType: 'CLIENT_ID', targetName: 'silent' } as const;
    for (const call of [
      iot.send(new GetV2LoggingOptionsCommand({})),
      iot.send(new ListV2LoggingLevelsCommand({})),
      setLevel(target, 'DEBUG'),
    ]) {
      expect(await errorName(call)).toBe('NotConfiguredException');
    }
    await iot.send(new DeleteV2LoggingLevelCommand(target));
    await setOptions('DISABLED');
    await act('silent');
    expect(await entriesOf('silent')).toEqual([]);
  });

  it("holds what one client did and was refused at DEBUG, in AWS's format", async () => {
    await setLevel({ targetType: 'CLIENT_ID', targetName: 'watched' }, 'DEBUG');
    await act('watched');
    await act('unwatched');
    const entries = await entriesOf('watched');
    expect(summary(entries.filter((entry) => entry['eventType'] !== 'Disconnect'))).toEqual([
      'Connect Success INFO',
      'Subscribe Success INFO',
      'Publish-In Success INFO',
      'Publish-In Failure ERROR',
    ]);
    expect(entries.every((entry) => entry['clientId'] === 'watched')).toBe(true);
    expect(entries.at(3)).toMatchObject({
      protocol: 'MQTT',
      topicName: 'closed/out',
      reason: 'AUTHORIZATION_FAILURE',
      accountId: emulator.accountId,
      sourceIp: '127.0.0.1',
      principalId: expect.stringMatching(/^[0-9a-f]{64}$/),
      traceId: expect.any(String),
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/),
    });
  });

  it('holds only refusals at ERROR, and a refused connection', async () => {
    await setLevel({ targetType: 'CLIENT_ID', targetName: 'errors' }, 'ERROR');
    await setLevel({ targetType: 'CLIENT_ID', targetName: 'locked-out' }, 'ERROR');
    await act('errors');
    const { iot } = clientsOf(emulator);
    const device = await enrol(iot, 'locked-out', policyDocument(statement('Deny', 'iot:*', '*')));
    await expect(connect(emulator, device)).rejects.toThrow();
    expect(summary(await entriesOf('errors'))).toEqual(['Publish-In Failure ERROR']);
    expect(summary(await entriesOf('locked-out'))).toEqual(['Connect Failure ERROR']);
  });

  it("goes by the client's level before its groups', and by theirs before the default", async () => {
    const { iot } = clientsOf(emulator);
    await iot.send(new CreateThingGroupCommand({ thingGroupName: 'logged' }));
    await iot.send(
      new CreateThingGroupCommand({ thingGroupName: 'logged-child', parentGroupName: 'logged' }),
    );
    await setLevel({ targetType: 'THING_GROUP', targetName: 'logged' }, 'DEBUG');
    await setLevel({ targetType: 'CLIENT_ID', targetName: 'quiet-member' }, 'DISABLED');
    await setOptions('ERROR');
    for (const thing of ['loud-member', 'quiet-member', 'outsider']) {
      const device = await enrol(iot, thing, LIMITED);
      if (thing !== 'outsider') {
        await iot.send(
          new AddThingToThingGroupCommand({ thingName: thing, thingGroupName: 'logged-child' }),
        );
      }
      const client = await connect(emulator, device);
      await publish(client, 'closed/out');
      await client.endAsync(true);
    }
    expect(summary(await entriesOf('loud-member')).slice(0, 2)).toEqual([
      'Connect Success INFO',
      'Publish-In Failure ERROR',
    ]);
    expect(await entriesOf('quiet-member')).toEqual([]);
    expect(summary(await entriesOf('outsider'))).toEqual(['Publish-In Failure ERROR']);
  });

  it('is silent while all logs are disabled', async () => {
    await setOptions('DEBUG', true);
    await act('hushed');
    await setOptions('DEBUG', false);
    await act('audible');
    await setOptions('DISABLED');
    expect(await entriesOf('hushed')).toEqual([]);
    expect((await entriesOf('audible')).length).toBeGreaterThan(0);
  });

  it('lists and deletes levels, and tells the options', async () => {
    const { iot } = clientsOf(emulator);
    const target = { targetType: 'CLIENT_ID', targetName: 'listed' } as const;
    const levels = async () =>
      (await iot.send(new ListV2LoggingLevelsCommand({ targetType: 'CLIENT_ID' })))
        .logTargetConfigurations ?? [];
    await setLevel(target, 'WARN');
    expect(await levels()).toContainEqual({ logTarget: target, logLevel: 'WARN' });
    await iot.send(new DeleteV2LoggingLevelCommand(target));
    expect(await levels()).not.toContainEqual({ logTarget: target, logLevel: 'WARN' });
    await setOptions('ERROR', true);
    expect(await iot.send(new GetV2LoggingOptionsCommand({}))).toMatchObject({
      defaultLogLevel: 'ERROR',
      disableAllLogs: true,
    });
  });

  it('refuses a target without a name', async () => {
    const call = setLevel({ targetType: 'CLIENT_ID' }, 'DEBUG');
    expect(await errorName(call)).toBe('InvalidRequestException');
  });
});

describe('v2_logging is still needed: the stock emulator', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({ withoutPatches: ['v2_logging'] });
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it('has no v2 logging calls', async () => {
    const call = clientsOf(emulator).iot.send(new ListV2LoggingLevelsCommand({}));
    await expect(call).rejects.toThrow('Unsupported IoT path');
  });
});
