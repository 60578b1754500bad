import { ApplicationFailure } from '@temporalio/workflow';

export const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined;

/** One object with exactly these non-empty text fields: anything else names each field that is wrong. */
export function requireText(request: unknown, fields: string[]): void {
  const given = typeof request === 'object' && request !== null ? request : {};
  const issues = [
    ...fields
      .filter((field) => {
        const value: unknown = Reflect.get(given, field);
        return typeof value !== 'string' || value.trim() === '' || value.length > 4096;
      })
      .map((field) => `${field}: must be a text`),
    ...Object.keys(given)
      .filter((field) => !fields.includes(field))
      .map((field) => `${field}: is not a field of this Update`),
  ];
  if (issues.length > 0)
    refuse(`${issues.join('; ')}. Give one JSON object with ${fields.join(', ')}`);
}

/** A validator's refusal leaves no event; its text is what the responder reads. The stack would only be noise in Temporal UI. */
export function refuse(why: string): never {
  const failure = ApplicationFailure.nonRetryable(why, 'Refused');
  failure.stack = '';
  throw failure;
}
