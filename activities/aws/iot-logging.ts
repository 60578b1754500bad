import {
  DeleteV2LoggingLevelCommand,
  paginateListV2LoggingLevels,
  SetV2LoggingLevelCommand,
  type IoTClient,
  type LogLevel,
} from '@aws-sdk/client-iot';
import { FilterLogEventsCommand, type CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { NAMES } from '../../domain/names';
import { isAwsError } from '../failure';

export type IotLogging = ReturnType<typeof createIotLogging>;

/**
 * Log levels by client id, so that one device's release does not blind another, and what was logged.
 * https://docs.aws.amazon.com/iot/latest/apireference/API_SetV2LoggingLevel.html
 */
export function createIotLogging(iot: IoTClient, logs: CloudWatchLogsClient) {
  const target = (clientId: string) => ({
    targetType: 'CLIENT_ID' as const,
    targetName: clientId,
  });
  return {
    /** Levels of every `CLIENT_ID` target. */
    async clientLevels(): Promise<Map<string, string>> {
      const levels = new Map<string, string>();
      const query = { targetType: 'CLIENT_ID' as const };
      for await (const page of paginateListV2LoggingLevels({ client: iot }, query))
        for (const { logTarget, logLevel } of page.logTargetConfigurations ?? [])
          if (logTarget?.targetName !== undefined && logLevel !== undefined)
            levels.set(logTarget.targetName, logLevel);
      return levels;
    },
    async setLevel(clientId: string, level: string): Promise<void> {
      const logLevel = level as LogLevel;
      await iot.send(new SetV2LoggingLevelCommand({ logTarget: target(clientId), logLevel }));
    },
    async clearLevel(clientId: string): Promise<void> {
      try {
        await iot.send(new DeleteV2LoggingLevelCommand(target(clientId)));
      } catch (err) {
        if (!isAwsError(err, 'ResourceNotFoundException')) throw err;
      }
    },
    /**
     * Time of the first refused publish on a topic under `topicPrefix` logged for the client since `since` (epoch
     * milliseconds), or null. Only a topic that was allowed before says anything: a device that misbehaves is refused
     * elsewhere all the time. No log line never proves no traffic: AWS may drop logs under load.
     * https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
     */
    async firstRefusal(
      clientId: string,
      topicPrefix: string,
      since: number,
    ): Promise<number | null> {
      try {
        const { events } = await logs.send(
          new FilterLogEventsCommand({
            logGroupName: NAMES.iotLogGroup,
            startTime: since,
            filterPattern: `"AUTHORIZATION_FAILURE" "${clientId}" "${topicPrefix}"`,
          }),
        );
        const own = (events ?? []).filter(({ message }) =>
          isRefusalOf(clientId, topicPrefix, message ?? ''),
        );
        return own[0]?.timestamp ?? null;
      } catch (err) {
        if (isAwsError(err, 'ResourceNotFoundException')) return null;
        throw err;
      }
    },
  };
}

/** The filter's terms match anywhere in the line, so another device could name this one: compare the fields. */
function isRefusalOf(clientId: string, topicPrefix: string, line: string): boolean {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== 'object' || entry === null) return false;
    const { clientId: by, eventType, topicName } = entry as Record<string, unknown>;
    return (
      by === clientId &&
      eventType === 'Publish-In' &&
      typeof topicName === 'string' &&
      topicName.startsWith(topicPrefix) &&
      line.includes('AUTHORIZATION_FAILURE')
    );
  } catch {
    return false;
  }
}
