import {
  GetBucketsAggregationCommand,
  GetStatisticsCommand,
  SearchIndexCommand,
  type IoTClient,
  type ThingDocument,
} from '@aws-sdk/client-iot';
import type { FleetIndex, IndexedDevice } from '../rollout/deps';

/** https://docs.aws.amazon.com/iot/latest/apireference/API_SearchIndex.html : at most 100 things a page. */
const PAGE = 100;
/** https://docs.aws.amazon.com/iot/latest/apireference/API_TermsAggregation.html */
const MOST_BUCKETS = 10_000;

/**
 * The index `AWS_Things`. Read-only, so that any call may be repeated; while AWS rebuilds it, calls fail with
 * `IndexNotReadyException`, which is worth a retry.
 */
export function createFleetIndex(iot: IoTClient): FleetIndex {
  return {
    async *search(queryString) {
      let nextToken: string | undefined;
      do {
        const page = await iot.send(
          new SearchIndexCommand({
            queryString,
            maxResults: PAGE,
            ...(nextToken !== undefined && { nextToken }),
          }),
        );
        const devices = (page.things ?? []).flatMap(toDevice);
        if (devices.length > 0) yield devices;
        nextToken = page.nextToken;
      } while (nextToken !== undefined);
    },
    /** Over `registry.version`, the default, which every thing has. */
    async count(queryString) {
      const { statistics } = await iot.send(new GetStatisticsCommand({ queryString }));
      return statistics?.count ?? 0;
    },
    /** `field` must be one that AWS manages or one of `INDEXED_FIELDS`, which provisioning declares. */
    async buckets(queryString, aggregationField) {
      const { buckets } = await iot.send(
        new GetBucketsAggregationCommand({
          queryString,
          aggregationField,
          bucketsAggregationType: { termsAggregation: { maxBuckets: MOST_BUCKETS } },
        }),
      );
      return Object.fromEntries(
        (buckets ?? []).map(({ keyValue, count }) => [keyValue ?? '', count ?? 0]),
      );
    },
  };
}

function toDevice(found: ThingDocument): IndexedDevice[] {
  const { thingName, attributes, thingGroupNames, shadow, connectivity } = found;
  if (thingName === undefined) return [];
  const { timestamp } = connectivity ?? {};
  return [
    {
      thing: thingName,
      attributes: attributes ?? {},
      groups: thingGroupNames ?? [],
      reported: reportedOf(shadow),
      connected: connectivity?.connected ?? false,
      // AWS tells 0 of a device that never connected.
      connectivityAt: timestamp === undefined || timestamp === 0 ? null : timestamp,
    },
  ];
}

/** The index keeps the unnamed shadow as JSON text: `{"desired":…,"reported":…}`. */
function reportedOf(shadow: string | undefined): unknown {
  if (shadow === undefined) return null;
  try {
    const parsed: unknown = JSON.parse(shadow);
    if (typeof parsed !== 'object' || parsed === null || !('reported' in parsed)) return null;
    return parsed.reported ?? null;
  } catch {
    return null;
  }
}
