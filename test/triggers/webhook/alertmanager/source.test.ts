import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { createAlertmanagerSource } from '../../../../triggers/webhook/alertmanager/source';

let server: Server;
let url: string;
let requests: IncomingMessage[];
let answer: (response: ServerResponse) => void;

beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push(request);
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/prefix/`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests = [];
  answer = (response) => void response.end('[]');
});

describe("Alertmanager's API", () => {
  it('is asked for what fires and is neither silenced nor inhibited, by matchers', async () => {
    const common = { alertname: 'IotX', site: 'north 1' };
    await createAlertmanagerSource({ url, token: 'secret' }).readFiring(common);
    const asked = new URL(requests[0]?.url ?? '', url);
    expect(asked.pathname).toBe('/prefix/api/v2/alerts');
    expect([...asked.searchParams]).toEqual([
      ['active', 'true'],
      ['silenced', 'false'],
      ['inhibited', 'false'],
      ['filter', 'alertname="IotX"'],
      ['filter', 'site="north 1"'],
    ]);
    expect(requests[0]?.headers.authorization).toBe('Bearer secret');
  });

  it.each(['a"b', 'a\\', 'a\n', 'a{b}', ''])('gets no matcher for the value %j', async (value) => {
    await createAlertmanagerSource({ url }).readFiring({ a: value, 'b-c': 'd' });
    expect(new URL(requests[0]?.url ?? '', url).searchParams.getAll('filter')).toEqual([]);
  });

  it('answers with labels and starts', async () => {
    const alert = {
      labels: { alertname: 'IotX' },
      startsAt: '2026-11-24T13:00:00.123+01:00',
      status: { state: 'active' },
    };
    answer = (response) => void response.end(JSON.stringify([alert]));
    expect(await createAlertmanagerSource({ url }).readFiring({})).toEqual([
      { labels: { alertname: 'IotX' }, startsAt: '2026-11-24T12:00:00.123Z' },
    ]);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['fails', (response) => void response.writeHead(500).end()],
    ['refuses', (response) => void response.writeHead(401).end()],
    ['sends elsewhere', (response) => void response.writeHead(302, { location: '/' }).end()],
    ['says something else', (response) => void response.end('{"status":"success"}')],
    ['never stops', (response) => void response.end(Buffer.alloc(17 * 1024 * 1024, ' '))],
    ['hangs up', (response) => void response.destroy()],
  ])('counts as unreachable where it %s', async (_case, given) => {
    answer = given;
    await expect(createAlertmanagerSource({ url }).readFiring({})).rejects.toThrow();
    expect(requests).toHaveLength(1);
  });
});
