import { agentUpdateScenario } from './agent-update';
import { quarantineScenario } from './quarantine';
import type { Scenario } from './scenario';
import { stagedOtaScenario } from './staged-ota';

export const SCENARIOS: Record<string, Scenario> = {
  quarantine: {
    about: 'one of 12 devices misbehaves; an alarm contains it, it is proven contained, released',
    run: quarantineScenario,
  },
  'agent-update': {
    about: 'a signed update, then a bad one that rolls itself back, then what is not signed',
    run: agentUpdateScenario,
  },
  'staged-ota': {
    about: 'a release reaches hundreds of agents wave by wave, or is stopped and taken back',
    takes: ['devices', 'badBuild'],
    run: stagedOtaScenario,
  },
};
