import type { ResourcePlan } from '../../../domain/provision/types';

const MARKS = { ok: ' ', create: '+', update: '~', conflict: '!' } as const;
const LONGEST_VALUE = 160;

const clip = (value: string): string =>
  value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE)}…` : value;

/** `+` made, `~` changed, `!` needs a person; what is right already is only counted. */
export function describePlan({ kind, name, action, differences }: ResourcePlan): string {
  const title = `${MARKS[action]} ${kind} ${name}`;
  if (action === 'create' || action === 'ok') return title;
  const lines = differences.map(
    ({ field, current, desired, mend }) =>
      `    ${field}: ${clip(current ?? 'not set')} → ${clip(desired)}${mend === undefined ? '' : `\n    ${mend}`}`,
  );
  return [title, ...lines].join('\n');
}

export function describePlans(plans: readonly ResourcePlan[]): string {
  return plans
    .filter(({ action }) => action !== 'ok')
    .map(describePlan)
    .join('\n');
}

export interface PlanCounts {
  created: number;
  updated: number;
  unchanged: number;
  conflicts: number;
}

export function countPlans(plans: readonly ResourcePlan[]): PlanCounts {
  const count = (wanted: ResourcePlan['action']): number =>
    plans.filter(({ action }) => action === wanted).length;
  return {
    created: count('create'),
    updated: count('update'),
    unchanged: count('ok'),
    conflicts: count('conflict'),
  };
}
