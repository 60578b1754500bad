import { z } from 'zod';
import { telemetryTopic } from '../../domain/device-protocol/topics';
import { parseJson } from '../errors';

/**
 * What the application may say, one JSON object a line on its standard output. The application may be what
 * is contained one day, so nothing it says is trusted: it gets neither reserved topics, through which it could
 * report its own jobs done, nor the agent's telemetry topic, through which it could hide its refusals.
 */
const publish = z.strictObject({
  topic: z
    .string()
    .min(1)
    .max(256)
    .regex(/^[^+#\p{C}]+$/u, 'must hold no wildcard or control character')
    .refine((topic) => !topic.startsWith('$'), 'must not be a reserved topic'),
  payload: z.json(),
});
export type ApplicationPublish = z.infer<typeof publish>;

const message = z.union([
  z.strictObject({ publish }),
  z.strictObject({ health: z.enum(['healthy', 'degraded', 'unhealthy']) }),
]);
export type ApplicationMessage = z.infer<typeof message>;

export type ParsedLine = { ok: true; message: ApplicationMessage } | { ok: false; problem: string };

export const MAX_LINE = 32_768;

export function parseLine(line: string, thing: string): ParsedLine {
  if (line.length > MAX_LINE) {
    return { ok: false, problem: `longer than ${MAX_LINE} characters` };
  }
  const parsed = message.safeParse(parseJson(line));
  if (!parsed.success) {
    return { ok: false, problem: 'not {"publish":{"topic","payload"}} or {"health"}' };
  }
  if ('publish' in parsed.data && parsed.data.publish.topic === telemetryTopic(thing)) {
    return { ok: false, problem: 'the telemetry topic is the agent’s own' };
  }
  return { ok: true, message: parsed.data };
}

/** Cuts a stream into lines; a line without end is cut off and dropped, so it can't fill the memory. */
export class LineSplitter {
  private rest = '';
  private dropping = false;

  constructor(private readonly onLine: (line: string) => void) {}

  push(chunk: string): number {
    const lines = (this.rest + chunk).split('\n');
    this.rest = lines.pop() ?? '';
    let seen = 0;
    for (const line of lines) {
      seen += 1;
      if (this.dropping) this.dropping = false;
      else if (line.trim() !== '') this.onLine(line);
    }
    if (this.rest.length > MAX_LINE) {
      this.dropping = true;
      this.rest = '';
    }
    return seen;
  }
}
