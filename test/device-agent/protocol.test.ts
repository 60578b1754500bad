import { describe, expect, it } from '@jest/globals';
import { LineSplitter, MAX_LINE, parseLine } from '../../device-agent/supervisor/protocol';

describe('a line of the application', () => {
  it.each([
    ['{"publish":{"topic":"dt/pump/readings","payload":{"celsius":20}}}'],
    ['{"publish":{"topic":"dt/pump/readings","payload":null}}'],
    ['{"publish":{"topic":"fleet/broadcast","payload":"text"}}'],
    ['{"health":"degraded"}'],
  ])('is taken: %s', (line) => {
    expect(parseLine(line, 'pump')).toEqual({ ok: true, message: JSON.parse(line) as unknown });
  });

  it.each([
    ['not JSON', 'hello'],
    ['an array', '[]'],
    ['an unknown kind', '{"shell":"id"}'],
    ['a field too many', '{"health":"healthy","publish":{"topic":"a","payload":1}}'],
    ['an unknown health', '{"health":"superb"}'],
    ['no topic', '{"publish":{"topic":"","payload":1}}'],
    ['a wildcard', '{"publish":{"topic":"dt/#","payload":1}}'],
    ['a control character', '{"publish":{"topic":"dt/\\u0000","payload":1}}'],
    ['a topic too long', `{"publish":{"topic":"${'a'.repeat(257)}","payload":1}}`],
    ['no payload', '{"publish":{"topic":"dt/pump/readings"}}'],
    [
      'its own job update, forged',
      '{"publish":{"topic":"$aws/things/pump/jobs/contain/update","payload":{"status":"SUCCEEDED"}}}',
    ],
    ['the agent’s telemetry', '{"publish":{"topic":"dt/pump/telemetry","payload":{}}}'],
    ['a line too long', `{"health":"healthy"${' '.repeat(MAX_LINE)}}`],
  ])('is refused: %s', (_name, line) => {
    expect(parseLine(line, 'pump').ok).toBe(false);
  });
});

describe('the stream of lines', () => {
  const linesOf = (chunks: string[]): string[] => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    for (const chunk of chunks) splitter.push(chunk);
    return lines;
  };

  it('is cut at line ends, wherever the chunks are cut', () => {
    expect(linesOf(['a\nb', 'c\n', '\n', 'd'])).toEqual(['a', 'bc']);
  });

  it('drops a line without end and goes on with the next', () => {
    const endless = 'x'.repeat(MAX_LINE + 1);
    expect(linesOf([endless, endless, 'rest\nnext\n'])).toEqual(['next']);
  });
});
