import { existsSync, watch } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

export interface DeviceNetworks {
  portOf(thing: string): number;
  stop(): Promise<void>;
}

/**
 * A way to the broker for each device alone, which is cut while a file with the device's name is in the folder `cuts`: what a
 * release does to the network of the device that it runs on. TLS goes through untouched.
 */
export async function startDeviceNetworks(options: {
  host: string;
  port: number;
  cuts: string;
  devices: readonly { thing: string }[];
}): Promise<DeviceNetworks> {
  const { cuts, devices } = options;
  const links = new Map<string, Link>();
  for (const { thing } of devices) {
    links.set(thing, await Link.open(options, () => existsSync(join(cuts, thing))));
  }
  const watcher = watch(cuts, (_event, name) => {
    if (name !== null && existsSync(join(cuts, name))) links.get(name)?.cut();
  });
  return {
    portOf: (thing) => {
      const link = links.get(thing);
      if (link === undefined) throw new Error(`${thing} has no network`);
      return link.port;
    },
    stop: async () => {
      watcher.close();
      await Promise.all([...links.values()].map((link) => link.close()));
    },
  };
}

class Link {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async open(to: { host: string; port: number }, isCut: () => boolean): Promise<Link> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const link = new Link(server, (server.address() as AddressInfo).port);
    server.on('connection', (near) => {
      if (isCut()) near.destroy();
      else link.join(near, connect({ host: to.host, port: to.port, noDelay: true }));
    });
    return link;
  }

  private join(near: Socket, far: Socket): void {
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.sockets.delete(one);
        other.destroy();
      });
    }
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.cut();
    });
  }
}
