import { agentUpdateScenario } from './agent-update';
import { quarantineScenario } from './quarantine';
import type { Scenario } from './scenario';

export const SCENARIOS: Record<string, Scenario> = {
  quarantine: {
    about: 'one of 12 devices misbehaves; an alarm contains it, it is proven contained, released',
    run: quarantineScenario,
  },
  'agent-update': {
    about: 'a signed update, then a bad one that rolls itself back, then what is not signed',
    run: agentUpdateScenario,
  },
};
