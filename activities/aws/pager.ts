import { PublishCommand, type SNSClient } from '@aws-sdk/client-sns';
import type { Pager } from '../rollout/deps';

/** https://docs.aws.amazon.com/sns/latest/api/API_Publish.html : ASCII, no line breaks, fewer than 100 characters. */
const LONGEST_SUBJECT = 99;
/** 256 KiB in all; a page is read by a person. */
const LONGEST_TEXT = 20_000;

/**
 * Publishes to the topic of pages. A standard topic does not dedupe: the id stands as an attribute of the message, for those
 * receivers who do.
 */
export function createPager(sns: SNSClient, topicArn: string): Pager {
  return {
    async page({ id, subject, text }) {
      const line = subject.replace(/[^\x20-\x7e]+/g, ' ').trim();
      await sns.send(
        new PublishCommand({
          TopicArn: topicArn,
          Subject: line.slice(0, LONGEST_SUBJECT) || 'iot-runbooks',
          Message: text.slice(0, LONGEST_TEXT) || line || id,
          MessageAttributes: { id: { DataType: 'String', StringValue: id } },
        }),
      );
    },
  };
}
