import type { Collector } from './collector';
import type { Line } from './bundle';
import { tryProc } from './proc';

const MAX_CONNECTIONS = 2_000;
const MAX_TABLE_BYTES = 1_048_576;
const TABLES = ['tcp', 'tcp6', 'udp', 'udp6'] as const;

/** Numbers of include/net/tcp_states.h. */
const STATES: readonly (string | undefined)[] = [
  undefined,
  'established',
  'syn-sent',
  'syn-received',
  'fin-wait-1',
  'fin-wait-2',
  'time-wait',
  'closed',
  'close-wait',
  'last-ack',
  'listening',
  'closing',
];

/** From /proc/net, of the network namespace of the agent. */
export const connections: Collector = async (sink) => {
  for (const protocol of TABLES) {
    const table = await tryProc(`/proc/net/${protocol}`, MAX_TABLE_BYTES);
    if (table === null) {
      sink.cut(`${protocol}: not readable`);
      continue;
    }
    const rows = table.split('\n').slice(1);
    // Cut by the limit, the last row may be half a row.
    const whole = rows.filter((row) => row.trim() !== '').slice(0, MAX_CONNECTIONS);
    if (rows.length > MAX_CONNECTIONS + 1) sink.cut(`${protocol}: the first ${MAX_CONNECTIONS}`);
    for (const row of whole) {
      sink.check();
      const parsed = parseRow(protocol, row);
      if (parsed !== null) await sink.line(parsed);
    }
  }
};

/** One row of proc_net(5); null where it is none. */
export function parseRow(protocol: (typeof TABLES)[number], row: string): Line | null {
  const [, local, remote, state, , , , uid, , inode] = row.trim().split(/\s+/);
  if (local === undefined || remote === undefined || state === undefined) return null;
  const from = parseAddress(local);
  const to = parseAddress(remote);
  if (from === null || to === null) return null;
  const number = Number.parseInt(state, 16);
  const name = protocol.startsWith('udp') && number === 7 ? 'unconnected' : STATES[number];
  return {
    protocol,
    local: from,
    remote: to,
    state: name ?? state,
    uid: Number(uid),
    inode: Number(inode),
  };
}

/** The kernel writes each 32-bit word of an address in the order of this machine, the port in that of the network. */
function parseAddress(text: string): string | null {
  const match = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return null;
  const bytes = Buffer.from(match[1], 'hex');
  if (LITTLE_ENDIAN) bytes.swap32();
  const port = Number.parseInt(match[2], 16);
  return bytes.length === 4 ? `${bytes.join('.')}:${port}` : `[${ipv6Of(bytes)}]:${port}`;
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function ipv6Of(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    bytes.readUInt16BE(index * 2).toString(16),
  );
  // As every browser and Node write it: the longest run of zeros as `::`.
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}
