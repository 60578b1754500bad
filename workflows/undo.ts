import { CancellationScope } from '@temporalio/workflow';

/**
 * What to undo, last first. A step is registered before it runs, since one that took effect may still fail to report.
 * Runs in a scope that a cancellation does not reach.
 */
export class Undo {
  private steps: (() => Promise<unknown>)[] = [];

  beforehand(step: () => Promise<unknown>): void {
    this.steps.unshift(step);
  }

  forget(): void {
    this.steps = [];
  }

  run(): Promise<void> {
    return CancellationScope.nonCancellable(async () => {
      for (const step of this.steps) await step();
      this.forget();
    });
  }
}
