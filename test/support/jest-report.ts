import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { z } from 'zod';

export interface Report {
  passed: number;
  skipped: number;
  /** `file: name of the test`; a file that could not run counts as one. */
  failures: string[];
}

/** The part of Jest's `--json` output that is read here. */
const reportSchema = z.object({
  numPassedTests: z.int(),
  numPendingTests: z.int(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

/** Jest that ended without a report counts as one failure, never as success. */
export async function readReport(file: string): Promise<Report> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) {
    return { passed: 0, skipped: 0, failures: ['Jest ended without a report'] };
  }
  const report = reportSchema.parse(JSON.parse(text));
  return {
    passed: report.numPassedTests,
    skipped: report.numPendingTests,
    failures: report.testResults.flatMap((suite) => {
      const file = relative(process.cwd(), suite.name);
      const failed = suite.assertionResults.filter(({ status }) => status === 'failed');
      if (suite.status === 'failed' && failed.length === 0) return [`${file}: could not run`];
      return failed.map(({ fullName }) => `${file}: ${fullName}`);
    }),
  };
}
