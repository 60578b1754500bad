/** What the workflow worker bundles: one export per runbook, named as a responder types it. */
export { alarmIntake } from './alarm-intake';
export { collectLogs } from './collect-logs';
export { otaWave } from './ota-wave';
export { quarantine } from './quarantine';
export { reconcile } from './reconcile';
export { stagedOta } from './staged-ota';
