/** An agent's status as a page for people. */
import { z } from 'zod';
import { formatEndpoint } from '../protocol/endpoints.ts';
import { count, printable } from './event-lines.ts';
import { paint } from './output.ts';

const names = z.array(z.string());
const reference = z.object({ id: z.string().optional(), name: z.string().optional() });

const endpoint = z.object({ ip: z.string(), port: z.number() });

const server = z.object({
  id: z.string(),
  name: z.string(),
  endpoints: z.array(endpoint),
  features: names,
  missingFeatures: names,
  level: z.number(),
  max: z.number(),
  connected: z.number(),
  isDraining: z.boolean(),
  clients: z.array(z.object({ name: z.string(), isStreaming: z.boolean(), why: z.string() })),
  peers: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      address: endpoint.optional(),
      features: names,
      max: z.number(),
      connected: z.number(),
      isConfirmed: z.boolean(),
      hearsUs: z.boolean(),
      heldForMs: z.number(),
      obstacle: z.string().optional(),
    }),
  ),
  ranking: z.array(z.object({ id: z.string(), name: z.string(), why: z.string() })),
});

const camera = z.object({
  name: z.string(),
  phase: z.string(),
  server: reference.optional(),
  target: reference.optional(),
  handovers: z.number(),
  framesLost: z.number(),
  source: z.object({ ready: z.boolean(), reason: z.string(), message: z.string() }).optional(),
});

const handover = z.object({
  time: z.string(),
  client: z.string(),
  from: z.string(),
  to: z.string(),
  reason: z.string(),
  milliseconds: z.number(),
  framesLost: z.number(),
});

/** What a page needs of a status; an agent of another version may say more. */
const shownStatus = z.object({
  name: z.string(),
  version: z.string(),
  started: z.string(),
  configuration: z
    .object({ isCurrent: z.boolean(), time: z.string(), problem: z.string().optional() })
    .optional(),
  certificates: z
    .array(z.object({ name: z.string(), notAfter: z.string(), isRunningOut: z.boolean() }))
    .default([]),
  server: server.optional(),
  cameras: z.array(camera),
  handovers: z.array(handover),
});

type ShownStatus = z.output<typeof shownStatus>;
type Server = z.output<typeof server>;

/** Reads what a status socket gave; undefined where it is no status. */
export function parseStatus(status: unknown): ShownStatus | undefined {
  return shownStatus.safeParse(status).data;
}

/** The page's lines: servers with rank and why, clients, links, cameras, last handovers. */
export function describeStatus(status: ShownStatus): readonly string[] {
  const { name, version, started, server: own } = status;
  const title = `${paint('bold', `agent ${name}`)}, version ${version}, since ${started}`;
  const parts = own === undefined ? [['client only: no server runs here']] : describeServer(own);
  return [[title, ...describeCare(status)], ...parts, describeCameras(status), describeHandovers(status)]
    .filter((lines) => lines.length > 0)
    .flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]))
    .map((line) => line.trimEnd());
}

/** Servers with rank and why, and why each client is where it is; undefined where no server runs here. */
export function describeRank({ server: own }: ShownStatus): readonly string[] | undefined {
  if (own === undefined) return undefined;
  const clients = describeClients(own);
  return [...describeServers(own), ...(clients.length === 0 ? [] : ['', ...clients])].map((line) =>
    line.trimEnd(),
  );
}

/** What a person has to do something about. */
function describeCare({ configuration, certificates }: ShownStatus): readonly string[] {
  const wrong = configuration?.isCurrent === false ? (configuration.problem ?? '').split('\n') : [];
  const first = `its files are wrong now; what they said at ${configuration?.time ?? ''} holds:`;
  const ending = certificates.filter(({ isRunningOut }) => isRunningOut);
  return [
    ...(wrong.length === 0 ? [] : [paint('yellow', first), ...wrong.map((line) => `  ${printable(line)}`)]),
    ...ending.map(({ name, notAfter }) =>
      paint('yellow', `the certificate of ${printable(name)} is to be renewed before ${printable(notAfter)}`),
    ),
  ];
}

function describeServer(own: Server): readonly (readonly string[])[] {
  const missing =
    own.missingFeatures.length === 0 ? '' : `, not announced now: ${own.missingFeatures.join(', ')}`;
  return [
    [
      `server at ${own.endpoints.map(showEndpoint).join(', ') || 'no network'}: ${own.isDraining ? 'draining, ' : ''}${own.connected} of ${own.max} clients, ` +
        `level ${own.level} (${own.features.join(', ') || 'no features'})${missing}`,
    ],
    describeServers(own),
    describeClients(own),
    section('LINKS', own.peers.map(describeLink)),
  ];
}

function describeServers(own: Server): readonly string[] {
  return section('SERVERS, best first', describeRanking(own));
}

function describeClients({ clients }: Server): readonly string[] {
  return section(
    'CLIENTS HERE',
    clients.map(({ name, isStreaming, why }) => [name, isStreaming ? 'streaming' : 'waiting', why]),
  );
}

function describeRanking(own: Server): readonly (readonly string[])[] {
  const placed = own.ranking.map(({ id, name, why }, index) => {
    const peer = own.peers.find((each) => each.id === id);
    const { connected, max } = peer ?? own;
    const marks = [id === own.id ? 'this one' : '', peer?.obstacle ?? ''].filter((mark) => mark !== '');
    return [`${index + 1}.`, name, `${connected} of ${max}`, why, marks.join(', ')];
  });
  const others = own.peers.filter(({ id }) => !own.ranking.some((ranked) => ranked.id === id));
  return [
    ...placed,
    ...others.map((peer) => ['-', peer.name, '', `not in the ranking: ${peer.obstacle ?? 'unconfirmed'}`]),
  ];
}

function describeLink(peer: Server['peers'][number]): readonly string[] {
  const { address } = peer;
  return [
    peer.name,
    address === undefined ? '' : showEndpoint(address),
    peer.isConfirmed ? 'confirmed' : 'not confirmed',
    peer.hearsUs ? 'hears us' : 'does not hear us',
    peer.heldForMs > 0 ? `held down for ${Math.ceil(peer.heldForMs / 1000)} s more` : '',
  ];
}

function describeCameras({ cameras }: ShownStatus): readonly string[] {
  return section(
    'CAMERAS BRIDGED HERE',
    cameras.map(({ name, phase, server: to, target, source, ...counts }) => [
      name,
      to === undefined ? 'no server' : `→ ${to.name ?? to.id ?? ''}`,
      target === undefined ? phase : `${phase} → ${target.name ?? target.id ?? ''}`,
      source === undefined
        ? 'source: starting'
        : `source: ${source.reason}${source.ready ? '' : ` (${source.message})`}`,
      `${count(counts.handovers, 'handover')}, ${count(counts.framesLost, 'frame')} lost`,
    ]),
  );
}

function describeHandovers({ handovers }: ShownStatus): readonly string[] {
  return section(
    'LAST HANDOVERS',
    handovers
      .toReversed()
      .map(({ time, client, from, to, ...rest }) => [
        time,
        client,
        `${from} → ${to}`,
        rest.reason,
        `${Math.round(rest.milliseconds)} ms`,
        `${count(rest.framesLost, 'frame')} lost`,
      ]),
  );
}

function showEndpoint({ ip, port }: z.output<typeof endpoint>): string {
  return formatEndpoint({ ip, port });
}

/** A heading and rows in columns; nothing where there are no rows. */
export function section(title: string, rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return [];
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => printable(row[column] ?? '').length)),
  );
  const lines = rows.map((row) =>
    row.map((cell, column) => printable(cell).padEnd(widths[column] ?? 0)).join('  '),
  );
  return [paint('bold', title), ...lines.map((line) => `  ${line}`)];
}
