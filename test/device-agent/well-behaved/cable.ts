import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** The line between a device and its broker, which may be cut: what is connected ends, and nothing new connects. */
export class Cable {
  /** Connections that were tried, whether or not it was cut. */
  attempts = 0;
  private isCut = false;
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async to(host: string, port: number): Promise<Cable> {
    const server = createServer();
    const cable = new Cable(server);
    server.on('connection', (device) => cable.join(device, connect(port, host)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return cable;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.isCut = false;
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  private join(device: Socket, broker: Socket): void {
    this.attempts += 1;
    for (const [socket, other] of [
      [device, broker],
      [broker, device],
    ] as const) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
    if (this.isCut) device.destroy();
  }
}
