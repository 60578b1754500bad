import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { AttachThingPrincipalCommand, SetV2LoggingLevelCommand } from '@aws-sdk/client-iot';
import { quarantineId, quarantineJobId } from '../../domain/ids';
import { NAMES } from '../../domain/names';
import { readState } from '../chaos/device-state';
import { createJob, eventually, readExecution } from '../support/devices';
import { temporalAddress } from '../support/temporal';
import { openBed, OPEN_TIMEOUT_MS, type Bed } from './bed';
import { allow, attachOwnPolicy } from './policies';
import { held, release, startRun, untilPhase, untilStatus } from './runs';

let bed: Bed;
beforeAll(async () => {
  bed = await openBed(await temporalAddress());
}, OPEN_TIMEOUT_MS);
afterAll(() => bed.close());
beforeEach(() => bed.allowAutomatically(10));

it('contains, proves, holds, releases and gives the device back exactly as it was', async () => {
  const { thing, certificateArn } = await bed.device('q-whole');
  const before = await readState(bed.clients, thing);

  const run = await held(bed, thing);
  const status = await untilStatus(
    run,
    (now) => now.applicationStoppedAt !== null && now.level === 'contained, observed',
  );
  const contained = await readState(bed.clients, thing);
  expect(contained.groups).toContain(NAMES.quarantineGroup);
  expect(contained[`policies of ${certificateArn}`]).toContain(NAMES.quarantinePolicy);
  expect(contained).toMatchObject({ 'log level': 'DEBUG', record: expect.stringContaining(thing) });
  expect(status).toMatchObject({
    phase: 'holding',
    proof: {
      requestedAt: expect.any(String),
      deniedByDocumentsAt: expect.any(String),
      disconnectedAt: expect.any(String),
      refusalSeenAt: expect.any(String),
    },
  });

  const result = await release(run);
  expect(result).toMatchObject({
    outcome: 'released',
    level: 'contained, observed',
    proof: status.proof,
    canPublishAgainAt: expect.any(String),
    decisions: [expect.stringContaining('release by responder: a test')],
  });
  expect(await readState(bed.clients, thing)).toEqual(before);
  expect((await bed.guard.status()).leases).toEqual([]);
});

it('returns the plan of a dry run and changes nothing', async () => {
  const { thing } = await bed.device('q-dry');
  const before = await readState(bed.clients, thing);
  bed.proxy.reset();

  const result = await (await startRun(bed, thing, { dryRun: true })).result();

  expect(result).toMatchObject({
    outcome: 'planned',
    level: 'not contained',
    plan: {
      targets: [thing],
      wouldBeGranted: true,
      obstacles: [],
      awsCalls: { AddThingToThingGroup: 1, AttachPolicy: 1, DeleteConnection: 1 },
      changes: expect.arrayContaining([`add ${thing} to group ${NAMES.quarantineGroup}`]),
    },
  });
  expect(bed.proxy.calls().filter(({ mutating }) => mutating)).toEqual([]);
  expect(await readState(bed.clients, thing)).toEqual(before);
});

it('cancels the jobs that the device was told to do, and not its own', async () => {
  const thing = 'q-jobs';
  await bed.enrol(thing);
  const jobId = 'somebody-elses-update';
  await createJob(bed.emulator, bed.clients.iot, { jobId, thing, document: '{}' });

  const run = await held(bed, thing, { settings: { proveWithin: '1 second' } });

  const { runId } = await run.describe();
  expect((await readExecution(bed.clients.iot, thing, jobId)).status).toBe('CANCELED');
  const own = await readExecution(bed.clients.iot, thing, quarantineJobId('contain', runId));
  expect(own.status).toBe('QUEUED');
});

it('contains an offline device by policy and proves it at its next connect', async () => {
  const thing = 'q-offline';
  await bed.enrol(thing);
  const run = await held(bed, thing, { settings: { proveWithin: '1 second' } });
  const offline = await untilStatus(run, ({ level }) => level !== 'not contained');
  expect(offline).toMatchObject({ level: 'contained by policy', applicationStoppedAt: null });

  await bed.device(thing);

  const online = await untilStatus(
    run,
    ({ applicationStoppedAt }) => applicationStoppedAt !== null,
  );
  expect((await untilStatus(run, ({ level }) => level === 'contained, observed')).phase).toBe(
    'holding',
  );
  expect(online.proof?.deniedByDocumentsAt).toBe(offline.proof?.deniedByDocumentsAt);
});

it('ends DEBUG logging when its time is over and still releases exactly', async () => {
  const { thing } = await bed.device('q-debug');
  await bed.clients.iot.send(
    new SetV2LoggingLevelCommand({
      logTarget: { targetType: 'CLIENT_ID', targetName: thing },
      logLevel: 'WARN',
    }),
  );
  const before = await readState(bed.clients, thing);
  expect(before['log level']).toBe('WARN');
  const run = await startRun(bed, thing, { settings: { debugLogsFor: '2 seconds' } });
  for (const level of ['DEBUG', 'WARN'])
    await eventually(
      () => readState(bed.clients, thing),
      (state) => state['log level'] === level,
    );
  await untilPhase(run, 'holding');

  await release(run);
  expect(await readState(bed.clients, thing)).toEqual(before);
});

it('detaches a policy of the device that allows more than quarantine denies, and attaches it again', async () => {
  const { thing, certificateArn } = await bed.device('q-wide');
  await attachOwnPolicy(bed.clients, 'q-wide-own', certificateArn, [
    allow('iot:Publish', 'topic/*'),
  ]);
  const before = await readState(bed.clients, thing);

  const run = await held(bed, thing);
  const policies = `policies of ${certificateArn}`;
  expect(before[policies]).toContain('q-wide-own');
  expect((await readState(bed.clients, thing))[policies]).not.toContain('q-wide-own');

  await release(run);
  expect(await readState(bed.clients, thing)).toEqual(before);
});

it('reserves and counts every thing that shares a certificate with the device', async () => {
  const { certificateArn } = await bed.device('q-shared');
  await bed.enrol('q-sharing');
  await bed.clients.iot.send(
    new AttachThingPrincipalCommand({ thingName: 'q-sharing', principal: certificateArn }),
  );
  const run = await held(bed, 'q-shared', { settings: { proveWithin: '1 second' } });
  const { leases } = await bed.guard.status();
  const own = leases.filter(({ owner }) => owner === 'quarantine/q-shared');
  expect(own.map(({ thing, state }) => `${thing} ${state}`)).toEqual([
    'q-shared confirmed',
    'q-sharing confirmed',
  ]);
  expect(await (await startRun(bed, 'q-sharing')).result()).toMatchObject({
    outcome: 'refused',
    summary: expect.stringContaining('q-sharing is held by quarantine/q-shared'),
  });

  await release(run);
  const after = (await bed.guard.status()).leases;
  expect(after.filter(({ owner }) => owner === 'quarantine/q-shared')).toEqual([]);
});

it('contains a device that a rollout works on, which the rollout then leaves out', async () => {
  const things = ['q-rolled', 'q-rolled-too'];
  const [thing = ''] = things;
  await bed.enrol(thing);
  const rollout = { owner: 'ota/pump/1.4.0.tar', things, lifeMs: 600_000 };
  const { lease } = await bed.guard.leaseForWork(rollout);
  const jobId = 'job-of-a-rollout';
  await createJob(bed.emulator, bed.clients.iot, { jobId, thing, document: '{}' });

  const run = await held(bed, thing, { settings: { proveWithin: '1 second' } });
  expect(await bed.guard.keepWork({ ...rollout, lease })).toEqual(['q-rolled-too']);
  expect((await bed.guard.leaseForWork(rollout)).busy).toEqual([
    { thing, owner: quarantineId(thing) },
  ]);
  expect((await readExecution(bed.clients.iot, thing, jobId)).status).toBe('CANCELED');

  await release(run);
  expect(await bed.guard.keepWork({ ...rollout, lease })).toEqual(['q-rolled-too']);
  expect((await bed.guard.leaseForWork(rollout)).leased).toEqual(things);
  await bed.guard.endWork(lease);
});
