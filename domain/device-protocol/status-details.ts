/**
 * AWS's limits on `statusDetails`: at most 10 pairs, keys `[a-zA-Z0-9:_-]{1,128}`, values of 1 to 1,024
 * characters without control characters: a newline in an error message would fail the whole update.
 * https://docs.aws.amazon.com/iot/latest/apireference/API_iot-jobs-data_UpdateJobExecution.html
 */
export type StatusDetails = Record<string, string>;

const MAX_PAIRS = 10;
const MAX_KEY = 128;
const MAX_VALUE = 1024;

/** Makes any record fit: odd keys are cleaned, control characters become spaces, empty values are dropped. */
export function fitStatusDetails(details: Record<string, string>): StatusDetails {
  const fitted: StatusDetails = {};
  for (const [key, value] of Object.entries(details)) {
    if (Object.keys(fitted).length === MAX_PAIRS) break;
    const name = key.replace(/[^a-zA-Z0-9:_-]/g, '_').slice(0, MAX_KEY);
    const text = value
      .replace(/\p{C}+/gu, ' ')
      .trim()
      .slice(0, MAX_VALUE);
    if (name !== '' && text !== '') fitted[name] = text;
  }
  return fitted;
}
