import { join } from 'node:path';
import type { Logger } from 'pino';
import type { AgentConfig } from '../config';
import type { OperationContext, OperationOutcome } from '../operations/types';
import type { Line } from './bundle';
import { Bundles, type CollectRequest } from './bundles';
import { LogLevel } from './log-level';

/** What can be asked of one device beside its status; an enumerated set, without a shell or a path of the asker's. */
export class Diagnostics {
  private readonly bundles: Bundles;
  private readonly logLevel: LogLevel;

  /** `slots`: which slot runs, which is confirmed, what is in them. */
  constructor(config: AgentConfig, log: Logger, slots: () => Promise<Line> | Line) {
    const { stateDir, updates } = config;
    this.logLevel = new LogLevel(log, stateDir);
    this.bundles = new Bundles({
      thing: config.thing,
      firmware: config.firmwareVersion,
      hardware: config.hardwareVersion,
      folders: [stateDir, ...(updates === null ? [] : [updates.dir])],
      stateDir,
      settings: config.diagnostics,
      journals: [
        join(stateDir, 'journal.json'),
        ...(updates === null ? [] : [join(updates.dir, 'update.json')]),
      ],
      slots,
      log,
    });
  }

  collect(request: CollectRequest, context: OperationContext): Promise<OperationOutcome> {
    return this.bundles.collect(request, context);
  }

  raiseLogLevel(level: 'debug' | 'info' | 'warn', forSeconds: number): OperationOutcome {
    const { until } = this.logLevel.raise(level, forSeconds);
    return { status: 'SUCCEEDED', details: { level, until } };
  }

  /** For the device's status, where it has something to say. */
  status(): Record<string, string> {
    const raised = this.logLevel.current;
    return raised === null ? {} : { logLevel: `${raised.level} until ${raised.until}` };
  }

  async stop(): Promise<void> {
    this.logLevel.stop();
    await this.bundles.stop();
  }
}
