import { z } from 'zod';
import { BAD_BUILDS } from './firmware';
import type { Scenario, ScenarioOptions } from './scenario';

/** Fewer make no waves; more take a machine of their own. */
const devices = z.string().regex(/^\d+$/).transform(Number).pipe(z.int().min(12).max(1_000));

const FLAGS = { devices: '--devices', badBuild: '--bad-build' } as const;

const schema = z.object({
  devices: devices.optional(),
  badBuild: z.enum(BAD_BUILDS).optional(),
});
const EXPECTED = {
  devices: '--devices must be a whole number from 12 to 1000',
  badBuild: `--bad-build must be one of ${BAD_BUILDS.join(', ')}`,
};

/** The command line asks for what no scenario does. */
export class OptionError extends Error {
  override readonly name = 'OptionError';
}

/** Checks what commander read; a scenario refuses what it would ignore. */
export function readOptions(
  name: string,
  { takes = [] }: Pick<Scenario, 'takes'>,
  raw: Record<string, unknown>,
): ScenarioOptions {
  const result = schema.safeParse(raw);
  if (!result.success) refuse(describe(result.error.issues[0]?.path[0], raw));
  const parsed = result.data;
  const given = (['devices', 'badBuild'] as const).filter((key) => parsed[key] !== undefined);
  const foreign = given.find((key) => !takes.includes(key));
  if (foreign !== undefined) refuse(`the scenario ${name} takes no ${FLAGS[foreign]}`);
  return {
    ...(parsed.devices !== undefined && { devices: parsed.devices }),
    ...(parsed.badBuild !== undefined && { badBuild: parsed.badBuild }),
  };
}

function refuse(problem: string): never {
  throw new OptionError(problem);
}

function describe(field: unknown, raw: Record<string, unknown>): string {
  const key = field === 'devices' ? 'devices' : 'badBuild';
  return `${EXPECTED[key]}, not ${JSON.stringify(raw[key]).slice(0, 60)}`;
}
