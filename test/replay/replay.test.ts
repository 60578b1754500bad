import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { DefaultLogger, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { workflowBundle } from '../../workers/bundle';
import { readHistory, type History } from './history-file';

const HISTORIES = join(__dirname, 'histories');
const ROOT = resolve(__dirname, '..', '..');

const files = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));
const read = (name: string): History => readHistory(join(HISTORIES, name));

let bundle: WorkflowBundle;
beforeAll(async () => {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
  });
  bundle = await workflowBundle(ROOT, join(ROOT, '.local', 'cache'));
}, 120_000);

/** Rejects where today's workflow code would have done something else. */
const replay = (history: History): Promise<void> =>
  Worker.runReplayHistory({ workflowBundle: bundle }, history, 'replayed');

describe('a saved history', () => {
  it('is there for each path', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'cancelled.json',
        'contained-released.json',
        'escalated.json',
        'refused.json',
        'logs-absent.json',
        'logs-cancelled.json',
        'logs-collected.json',
        ...['completed', 'steered', 'rolled-back', 'alarmed'].flatMap((path) => [
          `rollout-${path}.json`,
          `rollout-${path}-wave.json`,
        ]),
      ]),
    );
  });

  it.each(files)('replays: %s', async (name) => {
    await expect(replay(read(name))).resolves.toBeUndefined();
  });

  it.each(files)('no longer replays with one activity of another name: %s', async (name) => {
    const history = read(name);
    const scheduled = (history.events ?? [])
      .map((event) => event.activityTaskScheduledEventAttributes)
      .find((attributes) => attributes?.activityType != null);
    if (scheduled?.activityType != null) scheduled.activityType.name = 'somethingElse';
    await expect(replay(history)).rejects.toThrow(DeterminismViolationError);
  });
});
