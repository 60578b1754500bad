import { z } from 'zod';

import { instant } from '../instant';
import { labels, type Labels } from './payload';

export interface FiringAlert {
  labels: Labels;
  startsAt: string;
}

export interface AlertmanagerSource {
  /** All that fire with these labels among theirs, silenced and inhibited ones left out. Throws where it can't be asked. */
  readFiring(common: Labels): Promise<FiringAlert[]>;
}

export interface AlertmanagerSourceOptions {
  /** Of Alertmanager itself, its path prefix included. */
  url: string;
  token?: string;
}

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_MATCHERS = 20;
/** Needs no escaping in a matcher. Others only make the answer larger: it is compared in full anyway. */
const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const PLAIN_VALUE = /^[\w .:/@-]{1,128}$/;

const answer = z.array(z.object({ labels, startsAt: instant }));

/** https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml */
export function createAlertmanagerSource(options: AlertmanagerSourceOptions): AlertmanagerSource {
  const base = `${options.url.replace(/\/+$/, '')}/api/v2/alerts`;
  return {
    async readFiring(common) {
      const query = new URLSearchParams({ active: 'true', silenced: 'false', inhibited: 'false' });
      Object.entries(common)
        .filter(([name, value]) => PLAIN_NAME.test(name) && PLAIN_VALUE.test(value))
        .slice(0, MAX_MATCHERS)
        .forEach(([name, value]) => query.append('filter', `${name}="${value}"`));
      const response = await fetch(`${base}?${query.toString()}`, {
        headers: {
          accept: 'application/json',
          ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
        },
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!response.ok) {
        await response.body?.cancel();
        throw new Error(`Alertmanager answered HTTP ${response.status}`);
      }
      return answer.parse(JSON.parse(await readText(response)));
    },
  };
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const body: AsyncIterable<Uint8Array> | undefined = response.body ?? undefined;
  if (body === undefined) return '';
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_BYTES)
      throw new Error(`Alertmanager answered with more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
