import type { Datum, QueueMessage } from '../../activities/aws/telemetry';
import { receivedTelemetry, type ReceivedTelemetry } from '../../domain/device-protocol/telemetry';
import { THING_DIMENSION, THING_NAME, type DeviceMetric } from '../../domain/names';

const VALUE_OF: Record<DeviceMetric, (telemetry: ReceivedTelemetry) => number> = {
  RefusedPublishes: ({ refusedPublishes }) => refusedPublishes,
  ApplicationRestarts: ({ applicationRestarts }) => applicationRestarts,
};
const METRICS = Object.entries(VALUE_OF) as [DeviceMetric, (typeof VALUE_OF)[DeviceMetric]][];

/**
 * The metric data of one message; null where it is no telemetry. The time is the queue's: a device could date
 * its own into a period that no alarm looks at any more.
 */
export function readData(message: QueueMessage): Datum[] | null {
  const parsed = receivedTelemetry.safeParse(parseJson(message.body));
  if (!parsed.success || !THING_NAME.test(parsed.data.thing)) return null;
  const telemetry = parsed.data;
  return METRICS.map(([metric, valueOf]) => ({
    metric,
    dimension: { name: THING_DIMENSION, value: telemetry.thing },
    value: valueOf(telemetry),
    at: message.sentAt,
  }));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
