/** `homing agent`: one machine's part of the home, from resource files. */
import { Command, Option } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { runAgent, type AgentOptions, type RunningAgent } from '../agent/agent.ts';
import { runOperatedAgent, type OperatedAgentOptions } from '../agent/operated-agent.ts';
import type { EmitEvent } from '../agent/events.ts';
import { present } from '../crds/present.ts';
import type { ServedMetrics } from './agent-metrics.ts';
import { tidyAfterStart } from './after-start.ts';
import { printEvents } from './event-lines.ts';
import { CommandError, exitCodes, printNote } from './output.ts';
import { type ListenAddress, parseListenAddress } from './listen-address.ts';
import { addOperatorOptions, operatorOf, type OperatorFlags } from './operator-options.ts';
import { ringOption } from './ring-option.ts';

interface AgentFlags extends OperatorFlags {
  readonly resources?: string;
  readonly tokenFile?: string;
  readonly credentialsDir?: string;
  readonly name: string;
  readonly state: string;
  readonly recordings?: string;
  readonly media?: string;
  readonly trust?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly clientCerts?: string;
  readonly keepSource?: string;
  readonly ring: number;
  readonly sinkHealthMs?: number;
  readonly metrics?: ListenAddress;
  readonly json?: boolean;
}

const command = new Command('agent')
  .description('Runs the server and the cameras of this machine, as resource files or an operator say.')
  .option(
    '--resources <path>',
    'HomeServer, CameraClient, TrustBundle, Secret, ConfigMap: a file or a folder',
  );

/** The subcommand, for cli/main.ts. */
export const agentCommand = addOperatorOptions(command)
  .option('--token-file <file>', 'with --operator: a service account token for the audience homing')
  .option('--credentials-dir <dir>', "with --operator: a folder in memory (tmpfs) for cameras' passwords")
  .requiredOption('--name <name>', "this agent's name: its HomeServer's, and what cameras call their bridge")
  .requiredOption('--state <dir>', 'what it must remember over a restart; one folder for each agent')
  .option('--recordings <dir>', 'where to record, one folder for each agent (default: STATE/recordings)')
  .option('--media <dir>', 'files that cameras with a file source play')
  .option(
    '--trust <path>',
    'ca.crt, or a folder with ca.crt and deny.txt; united with the TrustBundles (with --operator: with revision too, and the higher one counts)',
  )
  .option('--cert <file>', "the server's certificate")
  .option('--key <file>', 'its key')
  .option(
    '--client-certs <dir>',
    'certificates and keys of the cameras, as `homing ca issue --client` wrote them',
  )
  .option(
    '--keep-source <dir>',
    'also write what each source gives, byte for byte: a reference for `homing check`',
  )
  .addOption(ringOption())
  .option(
    '--metrics <address>',
    'answer /metrics, /healthz and /readyz there, as 127.0.0.1:9318',
    parseListenAddress,
  )
  .addOption(new Option('--sink-health-ms <ms>', 'for tests').argParser(Number).hideHelp())
  .option('--json', 'print one JSON object a line for each event')
  .addHelpText(
    'after',
    `
Without a HomeServer of its name the agent only bridges cameras. SIGINT and SIGTERM send clients elsewhere and end the
recordings properly; a second one ends at once. Exits 0 after such an end, 2 for wrong options or files.

Resources, certificates, keys and trust are followed while it runs: a change of the files is applied within two seconds, and
where something in them is wrong it is said, and what held before goes on.

Examples:
  homing agent --resources home.yaml --name nuc --state /var/lib/homing --trust ca.crt --cert nuc.crt --key nuc.key
  homing agent --resources house/ --name pi --state /var/lib/homing --cert pi.crt --key pi.key --client-certs certs/
  homing agent --resources cameras.yaml --name shed --state state/ --trust ca.crt --client-certs certs/ --json
  homing agent --operator 192.168.1.5:17330 --ca sha256:5f…c1 --name shed --state /var/lib/homing`,
  )
  .action(async (flags: AgentFlags) => {
    const print = printEvents({ json: flags.json === true });
    const served = flags.metrics === undefined ? undefined : await metricsAt(flags.metrics, print);
    try {
      const emit = served?.emit ?? print;
      const agent =
        flags.operator === undefined
          ? await runAgent(optionsOf(flags), emit)
          : await runOperatedAgent(operatedOptionsOf(flags), emit);
      served?.setAgent(agent);
      tidyAfterStart();
      await stopOnSignal(agent);
    } finally {
      // An agent that could not start must end, whoever still asks for its numbers.
      await served?.close();
    }
  });

/** Who is not asked for numbers need not load what counts them. */
async function metricsAt(address: ListenAddress, print: EmitEvent): Promise<ServedMetrics> {
  const { serveMetrics } = await import('./agent-metrics.ts');
  return serveMetrics(address, print);
}

function operatedOptionsOf(flags: AgentFlags): OperatedAgentOptions {
  const { resources, cert, key, clientCerts } = flags;
  if ([resources, cert, key, clientCerts].some((given) => given !== undefined)) {
    throw new CommandError(
      '--operator brings resources and certificates: without --resources, --cert, --key, --client-certs',
    );
  }
  const { name, state, recordings, media, trust, keepSource, sinkHealthMs, tokenFile, credentialsDir } =
    flags;
  const credentials = credentialsDir;
  return {
    ...operatorOf(flags, process.env),
    name,
    state,
    ringBytes: flags.ring,
    version: manifest.version,
    ...present({ recordings, media, trust, keepSource, sinkHealthMs, tokenFile, credentials }),
  };
}

function optionsOf(flags: AgentFlags): AgentOptions {
  const { cert, key, clientCerts, resources, name, state } = flags;
  const { recordings, media, trust, keepSource, sinkHealthMs, ring } = flags;
  if (resources === undefined) throw new CommandError('say --resources PATH, or --operator HOST:PORT');
  if ((cert === undefined) !== (key === undefined)) {
    throw new CommandError(
      `--cert and --key go together: ${cert === undefined ? '--cert' : '--key'} is missing`,
    );
  }
  return {
    resources,
    name,
    state,
    ringBytes: ring,
    ...present({ recordings, media, trust, keepSource, sinkHealthMs }),
    version: manifest.version,
    ...(cert === undefined || key === undefined ? {} : { certificate: { certPath: cert, keyPath: key } }),
    ...(clientCerts === undefined ? {} : { clientCertificates: clientCerts }),
  };
}

/** Resolves when a signal came and everything is closed; a second signal does not wait for that. */
async function stopOnSignal(agent: Pick<RunningAgent, 'stop'>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let count = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    count += 1;
    if (count === 1) printNote(`homing: ${signal}: stopping (again to stop at once)`);
    else process.exit(exitCodes.negative);
    resolve(signal);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  await agent.stop(await promise);
  endEvenIfAFileSystemHangs();
}

const leftAfterMs = 5000;

/** Node waits for its file threads, in process.exit too: with one that hangs it would be here for ever. */
function endEvenIfAFileSystemHangs(): void {
  const kill = (): void => {
    printNote('homing: a file system hangs: ending without it');
    process.kill(process.pid, 'SIGKILL');
  };
  setTimeout(kill, leftAfterMs).unref();
}
