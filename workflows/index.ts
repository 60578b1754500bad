/** What the workflow worker bundles: one export per runbook, named as a responder types it. */
export { alarmIntake } from './alarm-intake';
export { quarantine } from './quarantine';
export { reconcile } from './reconcile';
