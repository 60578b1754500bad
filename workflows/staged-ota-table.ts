import type { WaveCounts, WaveView } from '../domain/rollout/types';

const COLUMNS: [string, (counts: WaveCounts) => number][] = [
  ['waiting', (counts) => counts.waiting],
  ['in flight', ({ queued, inProgress, succeeded }) => queued + inProgress + succeeded],
  ['confirmed', (counts) => counts.confirmed],
  ['failed', (counts) => counts.failed],
  ['silent', (counts) => counts.silent],
  ['unreached', (counts) => counts.unreached],
  ['skipped', (counts) => counts.skipped],
];

/** Markdown, a row a line. */
export function wavesTable(waves: WaveView[]): string[] {
  const head = ['wave', 'devices', 'state', ...COLUMNS.map(([name]) => name)];
  return [
    `| ${head.join(' | ')} |\n|${'---|'.repeat(head.length)}`,
    ...waves.map(({ kind, number, size, state, counts }) => {
      const name = kind === 'rollout' ? `${number}` : `back ${number}`;
      const cells = COLUMNS.map(([, of]) => (counts === null ? '–' : `${of(counts)}`));
      return `| ${[name, size, state, ...cells].join(' | ')} |`;
    }),
    '',
  ];
}
