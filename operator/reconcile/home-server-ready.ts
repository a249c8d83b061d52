/** Whether a HomeServer is Ready, and if not the one thing to do first. Pure. */
import type { HomeServer } from '../../crds/home-server.ts';
import { homeServerReasons } from './condition-reasons.ts';
import { verdictsOf, type Verdict } from './conditions.ts';
import { claimantOf } from './duplicates.ts';
import type { Survey } from './survey.ts';
import { isLost, type AgentView } from './world.ts';

const verdict = verdictsOf(homeServerReasons);

/** The condition Ready: what is wrong with the resource first, then with its agent, then with its features. */
export function decideServerReady(server: HomeServer, survey: Survey): Verdict {
  return judgeResource(server, survey) ?? judgeAgent(server, survey);
}

function judgeResource(server: HomeServer, { world, duplicates }: Survey): Verdict | undefined {
  const { name } = server.metadata;
  const duplicate = duplicates.get(claimantOf(server));
  if (duplicate !== undefined) {
    const { reason, owner } = duplicate;
    return verdict('Ready', reason, `${owner} is older and has it. ${homeServerReasons.Ready[reason].todo}`);
  }
  if (server.spec.external === undefined && !world.nodes.has(name)) {
    const { todo } = homeServerReasons.Ready.NodeNotFound;
    return verdict('Ready', 'NodeNotFound', `There is no node called ${name}. ${todo}`);
  }
  return undefined;
}

function judgeAgent(server: HomeServer, { world }: Survey): Verdict {
  const { name } = server.metadata;
  const agent = world.agents.get(name);
  const inUse = world.keysInUse.get(name);
  if (inUse !== undefined) return verdict('Ready', 'KeyInUse', inUse);
  if (agent?.report === undefined) return neverSeen(server);
  if (isLost(agent, world.nowMs)) return lost(agent);
  const { problem, server: facts } = agent.report;
  if (problem !== undefined) {
    return verdict('Ready', 'ResourcesRefused', `The agent goes on with what it had: ${problem}`);
  }
  if (facts === undefined) return neverSeen(server);
  if (facts.missingFeatures.length === 0) return verdict('Ready', 'AgentReady');
  const missing = facts.missingFeatures.join(', ');
  const { todo } = homeServerReasons.Ready.FeaturesMissing;
  return verdict('Ready', 'FeaturesMissing', `Not announced now: ${missing}. ${todo}`);
}

function neverSeen({ metadata: { name }, spec, status }: HomeServer): Verdict {
  // After a restart of the operator: it was seen, by the one before.
  if (status?.identifier !== undefined) return lost({ name, version: '' });
  const todo =
    spec.external === undefined
      ? `see kubectl -n homing-system get pods -o wide --field-selector spec.nodeName=${name}`
      : `start homing agent --operator on that machine, with the key of spec.external.publicKey`;
  return verdict('Ready', 'AgentNeverSeen', `No agent called ${name} has reported yet: ${todo}.`);
}

function lost({ name, silentSinceMs }: AgentView): Verdict {
  const since = silentSinceMs === undefined ? '' : ` since ${new Date(silentSinceMs).toISOString()}`;
  const { todo } = homeServerReasons.Ready.AgentLost;
  return verdict('Ready', 'AgentLost', `The agent called ${name} is silent${since}. ${todo}`);
}
