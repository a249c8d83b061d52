/** `homing connect`: a camera, a sensor or a PC as a client of its own, without an agent. @see [0100], [0101] */
import { Command, Option } from 'commander';
import { type RunningClient, openClient } from '../agent/client/client.ts';
import { type ClientConfig, defaultClientConfig } from '../agent/client/core-events.ts';
import { type Discovery, discoverServers } from '../agent/client/discovery.ts';
import { createRingBudget } from '../agent/client/ring-budget.ts';
import { encodeSavedClient, parseSavedClient } from '../agent/client/saved-client.ts';
import type { EmitEvent } from '../agent/events.ts';
import { type StateFile, openStateFile } from '../agent/state-file.ts';
import { type LiveTrust, watchTrust } from '../agent/trust-directory.ts';
import { createScanner } from '../protocol/media/scanners.ts';
import { resolveServers } from './connect-servers.ts';
import { openPapers, type PaperFlags, type Papers } from './connect-papers.ts';
import { keeping, mediaOf, sourceOf } from './connect-source.ts';
import { printEvents } from './event-lines.ts';
import { addOperatorOptions } from './operator-options.ts';
import { CommandError, exitCodes } from './output.ts';
import { ringOption } from './ring-option.ts';

interface ConnectFlags extends PaperFlags {
  readonly server: readonly string[];
  readonly discover?: boolean;
  readonly interface: readonly string[];
  readonly source: string;
  readonly media?: string;
  readonly credentials?: string;
  readonly once?: boolean;
  readonly requires: readonly string[];
  readonly weights: Readonly<Record<string, number>>;
  readonly mode: 'Best' | 'AnyValid';
  readonly keepSource?: string;
  readonly ring: number;
  readonly json?: boolean;
}

const examples = `
Examples:
  homing connect --trust ca.crt --cert door.crt --key door.key --server 192.168.1.9:17320 --source test
  homing connect --trust ca.crt --cert door.crt --key door.key --discover --source rtsp://192.168.1.30/stream1 --credentials door.secret --state state/
  homing connect --operator 192.168.1.5:17330 --ca sha256:5f…c1 --name yard/door --state state/ --source test
  sensor | homing connect --trust ca.crt --cert meter.crt --key meter.key --discover --source - --media application/x-ndjson

Exits 0 when the source has ended and everything is safe at a server, or on SIGINT or SIGTERM; 1 when another client with
the same certificate took its place; 2 for wrong options or files.`;

const command = new Command('connect')
  .description('Streams a camera, a file, a pipe or a test picture to the best of your servers.')
  .option('--trust <path>', 'ca.crt, or a folder with ca.crt and deny.txt')
  .option('--cert <file>', "the client's certificate (homing ca issue --client)")
  .option('--key <file>', 'its key');

/** The subcommand, for cli/main.ts. */
export const connectCommand = addOperatorOptions(command)
  .option('--name <namespace/name>', 'with --operator: what its CameraClient is called')
  .option('--server <host:port>', 'a server to begin with; can be given several times', collect, [])
  .option('--discover', 'listen for servers that announce themselves')
  .option('--interface <name>', 'with --discover, only there; can be given several times', collect, [])
  .requiredOption(
    '--source <source>',
    'test, a file (played again and again), an rtsp:// or http:// URL, or - for standard input',
  )
  .option(
    '--media <type>',
    'video/mp2t, application/x-ndjson, text/plain or application/octet-stream (default: by the file, else video/mp2t)',
  )
  .option(
    '--credentials <file>',
    'user:password of the camera, in a file that only you can read (or the variable HOMING_CAMERA_CREDENTIALS)',
  )
  .option('--once', 'play a file once, then end')
  .option('--requires <features>', 'only servers that have all of these: a,b', parseFeatures, [])
  .option(
    '--weights <weights>',
    'what a feature is worth, 1 unless said: a=3,b=0; can be given several times',
    parseWeights,
    {},
  )
  .addOption(
    new Option('--mode <mode>', 'how servers are compared').choices(['Best', 'AnyValid']).default('Best'),
  )
  .option(
    '--state <dir>',
    'what it must remember over a restart: its last term and its servers, and with --operator its key',
  )
  .option(
    '--keep-source <dir>',
    'also write what the source gives, byte for byte: a reference for `homing check`',
  )
  .addOption(ringOption())
  .option('--json', 'print one JSON object a line for each event')
  .addHelpText('after', examples)
  .action(async (flags: ConnectFlags) => {
    process.exitCode = await connect(flags, printEvents({ json: flags.json === true }));
  });

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

const featurePattern = /^[a-z0-9.-]{1,32}$/;

function parseFeatures(text: string, before: readonly string[]): readonly string[] {
  const features = text.split(',').map((feature) => feature.trim());
  const wrong = features.find((feature) => !featurePattern.test(feature));
  if (wrong === undefined) return [...before, ...features];
  throw new CommandError(`--requires ${JSON.stringify(wrong)}: a feature is 1 to 32 of a-z, 0-9, . and -`);
}

function parseWeights(text: string, before: Readonly<Record<string, number>>): Record<string, number> {
  const weights = text.split(',').map((part): [string, number] => {
    const [, feature = '', digits = ''] = /^([a-z0-9.-]{1,32})=(\d{1,6})$/.exec(part.trim()) ?? [];
    if (feature === '')
      throw new CommandError(`--weights ${JSON.stringify(part)}: must be FEATURE=NUMBER, like gpu=4`);
    return [feature, Number(digits)];
  });
  return { ...before, ...Object.fromEntries(weights) };
}

async function connect(flags: ConnectFlags, emit: EmitEvent): Promise<number> {
  if (flags.server.length === 0 && flags.discover !== true && flags.operator === undefined) {
    throw new CommandError('which server? --server HOST:PORT, or --discover to listen for announcements');
  }
  const open = sourceOf(flags, process.env);
  const servers = await resolveServers(flags.server);
  const papers = await openPapers(flags, mediaOf(flags), emit);
  const tell: EmitEvent = (event) => {
    papers.native?.take(event);
    emit(event);
  };
  const trust = await watchTrust(papers.trust, [], emit);
  const state = await openState(flags.state, emit);
  const section = `client ${papers.identity.leaf.name}`;
  const discovery = mustListen(flags) ? await openDiscovery(flags, trust, emit) : undefined;
  try {
    const client = openClient({
      identity: papers.identity,
      trust,
      config: configOf(flags, papers.identity.leaf.name),
      servers: [...servers, ...papers.servers],
      ...(discovery === undefined ? {} : { discover: (onServer) => discovery.subscribe(onServer) }),
      openSource: flags.keepSource === undefined ? open : keeping(flags.keepSource, open),
      scannerFor: createScanner,
      ringBudget: createRingBudget(flags.ring),
      saved: parseSavedClient(state?.read(section)),
      onSave: (saved) => state?.write(section, encodeSavedClient(saved)),
      emit: tell,
    });
    papers.native?.attach(client);
    emit({ event: 'started', clients: 1 });
    return await runToEnd(client, emit);
  } finally {
    await closeAll(papers, discovery);
    await trust.close();
    await state?.close();
  }
}

async function closeAll({ native }: Papers, discovery: Discovery | undefined): Promise<void> {
  await native?.close();
  await discovery?.close();
}

/** With an operator, servers need not be named: those of the home announce themselves. */
function mustListen({ discover, operator, server }: ConnectFlags): boolean {
  return discover === true || (operator !== undefined && server.length === 0);
}

function configOf(flags: ConnectFlags, name: string): ClientConfig {
  const { requires, weights, mode } = flags;
  return { ...defaultClientConfig, name, media: mediaOf(flags), requires, weights, mode };
}

async function openState(directory: string | undefined, emit: EmitEvent): Promise<StateFile | undefined> {
  if (directory === undefined) return undefined;
  return openStateFile({
    directory,
    onProblem: (message) => emit({ event: 'warning', reason: 'state', message }),
  });
}

async function openDiscovery(flags: ConnectFlags, trust: LiveTrust, emit: EmitEvent): Promise<Discovery> {
  try {
    return await discoverServers({ trust, interfaces: flags.interface, emit });
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it failed';
    throw new CommandError(`listening for announcements: ${why}`, undefined, { cause: error });
  }
}

/** Until the source has ended and all is safe, another client takes our place, or a signal comes; a second one does not wait. */
async function runToEnd(client: RunningClient, emit: EmitEvent): Promise<number> {
  const { promise: signalled, resolve } = Promise.withResolvers<'signal'>();
  let signals = 0;
  const onSignal = (): void => {
    signals += 1;
    if (signals > 1) process.exit(exitCodes.negative);
    resolve('signal');
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const reason = await Promise.race([client.ended, signalled]);
  await client.close();
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  emit({ event: 'stopped', reason });
  return reason === 'replaced' ? exitCodes.negative : exitCodes.good;
}
