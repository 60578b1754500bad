import { CancellationScope, isCancellation } from '@temporalio/workflow';
import { messageOf } from './failure';

/** Watches that go on beside the main line until it stops them. One that fails is reported, and changes nothing else. */
export class Background {
  private readonly scope = new CancellationScope();
  private readonly running: Promise<void>[] = [];

  constructor(private readonly onFailure: (reason: string) => void) {}

  start(what: string, work: () => Promise<void>): void {
    const done = this.scope.run(work).catch((err: unknown) => {
      if (!isCancellation(err)) this.onFailure(`${what} failed: ${messageOf(err)}`);
    });
    this.running.push(done);
  }

  async stop(): Promise<void> {
    this.scope.cancel();
    await Promise.all(this.running);
  }
}
