import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  AddThingToThingGroupCommand,
  AttachPolicyCommand,
  CreatePolicyCommand,
  CreatePolicyVersionCommand,
  CreateThingCommand,
  CreateThingGroupCommand,
  DescribeThingGroupCommand,
  DetachPolicyCommand,
  GetEffectivePoliciesCommand,
  RemoveThingFromThingGroupCommand,
} from '@aws-sdk/client-iot';
import type { MqttClient } from 'mqtt';
import { startEmulator, type Emulator } from '../../../local/stack/emulator';
import {
  ALLOW_ALL,
  DENY_TELEMETRY,
  PROTOCOL_VERSIONS,
  START_TIMEOUT_MS,
  clientsOf,
  connect,
  enrol,
  errorName,
  eventually,
  policyDocument,
  publish,
  statement,
  type Device,
} from './support';

const TELEMETRY = 'dt/plant/telemetry';
const DENY_ALL = policyDocument(statement('Deny', 'iot:*', '*'));

/** A root group with the policy, and a child of it. */
async function makeGroups(emulator: Emulator, name: string, document: string) {
  const { iot } = clientsOf(emulator);
  await iot.send(new CreateThingGroupCommand({ thingGroupName: name }));
  await iot.send(
    new CreateThingGroupCommand({ thingGroupName: `${name}-child`, parentGroupName: name }),
  );
  await iot.send(new CreatePolicyCommand({ policyName: name, policyDocument: document }));
  const group = await iot.send(new DescribeThingGroupCommand({ thingGroupName: name }));
  await iot.send(new AttachPolicyCommand({ policyName: name, target: group.thingGroupArn }));
  return { root: name, child: `${name}-child`, arn: group.thingGroupArn ?? '' };
}

const join = (emulator: Emulator, thingName: string, thingGroupName: string) =>
  clientsOf(emulator).iot.send(new AddThingToThingGroupCommand({ thingName, thingGroupName }));
const leave = (emulator: Emulator, thingName: string, thingGroupName: string) =>
  clientsOf(emulator).iot.send(new RemoveThingFromThingGroupCommand({ thingName, thingGroupName }));

describe('policies of thing groups', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator();
    await makeGroups(emulator, 'quiet', DENY_TELEMETRY);
    await makeGroups(emulator, 'banned', DENY_ALL);
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it.each(PROTOCOL_VERSIONS)(
    'refuse a live session of MQTT %s what they deny, and allow it again after leaving',
    async (protocolVersion) => {
      const device = await enrol(clientsOf(emulator).iot, `live-${protocolVersion}`);
      const before = await connect(emulator, device, { protocolVersion });
      expect(await publish(before, TELEMETRY)).toBe('accepted');

      await join(emulator, device.thing, 'quiet');
      expect(await publish(before, 'other/topic')).toBe('accepted');
      expect(await publish(before, TELEMETRY)).toBe('refused');
      expect(before.connected).toBe(protocolVersion === 5);

      await leave(emulator, device.thing, 'quiet');
      const after = await connect(emulator, device, { protocolVersion });
      expect(await publish(after, TELEMETRY)).toBe('accepted');
      await after.endAsync(true);
    },
  );

  it('refuse with reason code 135 in MQTT 5', async () => {
    const device = await enrol(clientsOf(emulator).iot, 'told-why');
    await join(emulator, device.thing, 'quiet');
    const client = await connect(emulator, device);
    await expect(client.publishAsync(TELEMETRY, '{}', { qos: 1 })).rejects.toMatchObject({
      code: 135,
    });
    await client.endAsync(true);
  });

  it('are inherited from the parent group', async () => {
    const device = await enrol(clientsOf(emulator).iot, 'inherits');
    const client = await connect(emulator, device);
    expect(await publish(client, TELEMETRY)).toBe('accepted');
    await join(emulator, device.thing, 'quiet-child');
    expect(await publish(client, TELEMETRY)).toBe('refused');
    await client.endAsync(true);
  });

  it.each(PROTOCOL_VERSIONS)('refuse a new connection of MQTT %s', async (protocolVersion) => {
    const device = await enrol(clientsOf(emulator).iot, `new-${protocolVersion}`);
    await (await connect(emulator, device, { protocolVersion })).endAsync();
    await join(emulator, device.thing, 'banned');
    await expect(connect(emulator, device, { protocolVersion })).rejects.toThrow();
  });

  it('do not reach a session whose client id is not the thing name', async () => {
    const device = await enrol(clientsOf(emulator).iot, 'disguised');
    await join(emulator, device.thing, 'quiet');
    const client = await connect(emulator, device, { clientId: 'someone-else' });
    expect(await publish(client, TELEMETRY)).toBe('accepted');
    await client.endAsync(true);
  });

  it('refuse a connection whose last will they deny', async () => {
    const device = await enrol(clientsOf(emulator).iot, 'with-will');
    const will = { topic: 'dt/will', payload: Buffer.from('gone'), qos: 1 as const, retain: false };
    await (await connect(emulator, device, { will })).endAsync(true);
    await join(emulator, device.thing, 'quiet');
    await expect(connect(emulator, device, { will })).rejects.toThrow();
    await (await connect(emulator, device)).endAsync(true);
  });

  it('show in GetEffectivePolicies, for the principal, the thing and both', async () => {
    const { iot } = clientsOf(emulator);
    const device = await enrol(iot, 'listed');
    await join(emulator, device.thing, 'quiet-child');
    const names = async (input: { principal?: string; thingName?: string }) =>
      (await iot.send(new GetEffectivePoliciesCommand(input))).effectivePolicies?.map(
        ({ policyName }) => policyName,
      );
    expect(await names({ principal: device.certificateArn })).toEqual(['own-listed']);
    expect(await names({ thingName: 'listed' })).toEqual(['quiet']);
    expect(await names({ principal: device.certificateArn, thingName: 'listed' })).toEqual([
      'own-listed',
      'quiet',
    ]);
    expect(await errorName(names({ thingName: 'unknown' }))).toBe('ResourceNotFoundException');
  });
});

describe('membership of thing groups', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator();
    await makeGroups(emulator, 'north', ALLOW_ALL);
    await makeGroups(emulator, 'south', ALLOW_ALL);
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it('is refused for a second group of one hierarchy, and not for one of another', async () => {
    await clientsOf(emulator).iot.send(new CreateThingCommand({ thingName: 'member' }));
    await join(emulator, 'member', 'north-child');
    await join(emulator, 'member', 'north-child');
    expect(await errorName(join(emulator, 'member', 'north'))).toBe('InvalidRequestException');
    await join(emulator, 'member', 'south');
    await leave(emulator, 'member', 'north-child');
    await join(emulator, 'member', 'north');
  });

  it('ends at ten groups', async () => {
    const { iot } = clientsOf(emulator);
    await iot.send(new CreateThingCommand({ thingName: 'popular' }));
    for (let index = 0; index <= 10; index += 1) {
      await iot.send(new CreateThingGroupCommand({ thingGroupName: `club-${index}` }));
    }
    for (let index = 0; index < 10; index += 1) await join(emulator, 'popular', `club-${index}`);
    expect(await errorName(join(emulator, 'popular', 'club-10'))).toBe('InvalidRequestException');
  });
});

describe('a policy propagation delay', () => {
  const DELAY_MS = 3_000;
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({ policyDelayMs: DELAY_MS });
    await makeGroups(emulator, 'quiet', DENY_TELEMETRY);
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  /** Makes the change and publishes until the answer follows; how long that took, in milliseconds. */
  async function timeUntil(
    wanted: 'accepted' | 'refused',
    client: MqttClient,
    change: () => Promise<unknown>,
  ): Promise<number> {
    const start = Date.now();
    await change();
    await eventually(async () =>
      (await publish(client, TELEMETRY)) === wanted ? true : undefined,
    );
    return Date.now() - start;
  }

  it('lets a device just enrolled connect at once', async () => {
    const device = await enrol(clientsOf(emulator).iot, 'fresh');
    const client = await connect(emulator, device);
    expect(await publish(client, TELEMETRY)).toBe('accepted');
    await client.endAsync(true);
  });

  it('holds back membership, attachment and versions from live sessions, both ways', async () => {
    const { iot } = clientsOf(emulator);
    const own = (policyDocument: string) =>
      iot.send(
        new CreatePolicyVersionCommand({
          policyName: 'own-version',
          policyDocument,
          setAsDefault: true,
        }),
      );
    const attachment = (device: Device) => ({
      policyName: 'quiet',
      target: device.certificateArn,
    });
    type Change = (device: Device) => Promise<unknown>;
    const changes: Record<string, [Change, Change]> = {
      membership: [
        ({ thing }) => join(emulator, thing, 'quiet'),
        ({ thing }) => leave(emulator, thing, 'quiet'),
      ],
      attachment: [
        (device) => iot.send(new AttachPolicyCommand(attachment(device))),
        (device) => iot.send(new DetachPolicyCommand(attachment(device))),
      ],
      version: [() => own(DENY_TELEMETRY), () => own(ALLOW_ALL)],
    };
    const checks = Object.entries(changes).map(async ([name, [contain, release]]) => {
      const device = await enrol(iot, name);
      const client = await connect(emulator, device);
      // Until the enrolment itself is in the broker's view, the view is read afresh.
      await new Promise((resolve) => setTimeout(resolve, DELAY_MS + 500));
      const refused = await timeUntil('refused', client, () => contain(device));
      const accepted = await timeUntil('accepted', client, () => release(device));
      // Two clocks, so give or take a few milliseconds.
      expect(Math.min(refused, accepted)).toBeGreaterThan(DELAY_MS - 50);
      await client.endAsync(true);
    });
    await Promise.all(checks);
  });
});

describe('the patches of this file are still needed: the stock emulator', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({
      withoutPatches: ['group_policies', 'group_membership', 'effective_policies'],
    });
    await makeGroups(emulator, 'quiet', DENY_TELEMETRY);
  }, START_TIMEOUT_MS);
  afterAll(() => emulator.stop());

  it('does not enforce the policy of a group (group_policies)', async () => {
    const { iot } = clientsOf(emulator);
    const device = await enrol(iot, 'free');
    await join(emulator, device.thing, 'quiet');
    const client = await connect(emulator, device);
    expect(await publish(client, TELEMETRY)).toBe('accepted');
    await iot.send(new AttachPolicyCommand({ policyName: 'quiet', target: device.certificateArn }));
    expect(await publish(client, TELEMETRY)).toBe('refused');
    await client.endAsync(true);
  });

  it('accepts two groups of one hierarchy (group_membership)', async () => {
    await clientsOf(emulator).iot.send(new CreateThingCommand({ thingName: 'twice' }));
    await join(emulator, 'twice', 'quiet');
    await join(emulator, 'twice', 'quiet-child');
  });

  it('has no GetEffectivePolicies (effective_policies)', async () => {
    const call = clientsOf(emulator).iot.send(
      new GetEffectivePoliciesCommand({ thingName: 'twice' }),
    );
    await expect(call).rejects.toThrow('Unsupported IoT path');
  });
});
