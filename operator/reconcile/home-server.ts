/** What a HomeServer's status should say: facts of its agent, where it stands, who hears it. Decides only; pure. */
import type { HomeServer, HomeServerStatus } from '../../crds/home-server.ts';
import type { ServerReport } from '../../crds/operator-messages.ts';
import { homeServerReasons } from './condition-reasons.ts';
import { stampConditions, verdictsOf, type Verdict } from './conditions.ts';
import { heardByOf, type HeardBy } from './hearing.ts';
import { decideServerReady } from './home-server-ready.ts';
import { present } from '../../crds/present.ts';
import { standingOf } from './standing.ts';
import type { Survey } from './survey.ts';
import { reportOf } from './world.ts';

const verdict = verdictsOf(homeServerReasons);
const maxReasonCharacters = 256;
const maxNotHeardBy = 16;

/** The status of one HomeServer; undefined while nothing may be said yet (see `isSettled`). */
export function decideHomeServer(server: HomeServer, survey: Survey): HomeServerStatus | undefined {
  if (!survey.isSettled) return undefined;
  const { name, generation } = server.metadata;
  const report = reportOf(survey.world, name)?.server;
  const heard = heardByOf(survey.hearing, name);
  const verdicts = [
    decideServerReady(server, survey),
    decideHeard(name, heard, report !== undefined),
    decideDrained(name, report, survey),
  ];
  const now = new Date(survey.world.nowMs).toISOString();
  return {
    ...present({ observedGeneration: generation }),
    ...factsOf(server, report),
    ...decideStanding(server, survey, now),
    ...describeHeard(heard, report !== undefined),
    ...decideAgent(server, survey),
    conditions: stampConditions(verdicts, server.status?.conditions, { generation, now }),
  };
}

/** What its agent says of itself; identity and address stay when it is lost, as that is how it is known. */
function factsOf({ status, spec }: HomeServer, report: ServerReport | undefined): HomeServerStatus {
  if (report === undefined) {
    const { identifier, address, certificate } = status ?? {};
    return present({ identifier, address, certificate, max: spec.max });
  }
  const { identifier, address, features, level, max, clients, certificate } = report;
  return present({
    identifier,
    address,
    features: [...features],
    level,
    max,
    clients: clients.length,
    certificate:
      certificate === undefined
        ? undefined
        : { notAfter: certificate.notAfter, anchor: certificate.anchorSha256 },
  });
}

function decideStanding({ metadata, status }: HomeServer, survey: Survey, now: string): HomeServerStatus {
  const { rank, best, reason } = standingOf(survey.ranking, metadata.name);
  const before = status?.selection;
  // The time is when the best became the best; that the reason is worded otherwise is no news.
  const time = before?.best === best && before?.time !== undefined ? before.time : now;
  return {
    ...present({ rank }),
    selection: { ...present({ best }), reason: reason.slice(0, maxReasonCharacters), time },
  };
}

function describeHeard({ heardBy, notHeardBy, pending }: HeardBy, isReporting: boolean): HomeServerStatus {
  if (!isReporting) return {};
  return {
    heardBy: `${heardBy.length}/${heardBy.length + notHeardBy.length + pending.length}`,
    ...(notHeardBy.length === 0 ? {} : { notHeardBy: notHeardBy.slice(0, maxNotHeardBy) }),
  };
}

function decideAgent({ metadata, status }: HomeServer, { world }: Survey): HomeServerStatus {
  const version = world.agents.get(metadata.name)?.version ?? status?.agent?.version;
  return version === undefined ? {} : { agent: { version } };
}

function decideHeard(name: string, ears: HeardBy, isReporting: boolean): Verdict {
  const { heardBy, notHeardBy, pending } = ears;
  if (!isReporting) return verdict('Heard', 'Unreported');
  if (notHeardBy.length === 0) {
    if (heardBy.length > 0) return verdict('Heard', 'HeardByAll');
    return verdict('Heard', pending.length > 0 ? 'Listening' : 'Alone');
  }
  const { todo } = homeServerReasons.Heard.NotHeardBySome;
  const message = `${notHeardBy.join(', ')} ${notHeardBy.length === 1 ? 'does' : 'do'} not hear ${name}. ${todo}`;
  return verdict('Heard', heardBy.length === 0 ? 'NotHeardByAnyone' : 'NotHeardBySome', message);
}

function decideDrained(name: string, report: ServerReport | undefined, { world }: Survey): Verdict {
  if (report === undefined) return verdict('Drained', 'Unreported');
  if (!report.isDraining) return verdict('Drained', 'NotDraining');
  if (report.clients.length === 0) return verdict('Drained', 'Drained');
  const hasTaker = world.homeServers.some(({ metadata }) => {
    const other = metadata.name === name ? undefined : reportOf(world, metadata.name)?.server;
    return other !== undefined && !other.isDraining && other.clients.length < other.max;
  });
  return verdict('Drained', hasTaker ? 'Draining' : 'NobodyElse');
}
