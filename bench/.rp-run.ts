import { benchRolloutPlan } from '/work/main/bench/rollout-plan';
void benchRolloutPlan({ log: (l) => console.log(l) }).then(() => console.log('peak', process.resourceUsage().maxRSS / 1024));
