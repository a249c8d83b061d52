/** `homing cluster-test`: what `helm test` runs: servers ready and hearing each other, and a camera that moves between them. */
import { Command } from 'commander';
import { setTimeout as delay } from 'node:timers/promises';
import { systemNamespace } from '../crds/cluster.ts';
import { readCluster, withCluster, type ClusterFlags } from './cluster.ts';
import { moveTestCamera } from './cluster-camera.ts';
import type { ClusterHome } from './cluster-home.ts';
import { judgeServers, type ServersVerdict } from './cluster-verdict.ts';
import { describeClusterHome } from './cluster-view.ts';
import { CommandError, exitCodes, printJson, printLine, printNote } from './output.ts';

interface TestFlags extends ClusterFlags {
  readonly namespace: string;
  readonly operator: string;
  readonly ca: string;
  readonly timeout: number;
  readonly json?: boolean;
}

const lookEveryMs = 2000;

/** The subcommand, for cli/main.ts. */
export const clusterTestCommand = withCluster(new Command('cluster-test'))
  .description(
    'Tries a cluster’s home: servers ready and hearing each other, a test camera that moves between them.',
  )
  .option('--namespace <name>', 'where the test camera is made, and removed again', systemNamespace)
  .requiredOption('--operator <host:port>', 'where the operator is reached')
  .requiredOption('--ca <file>', 'anchors in PEM, as in the Secret homing-trust')
  .option('--timeout <seconds>', 'for all of it', Number, 180)
  .option('--json', 'print the outcome as one JSON object')
  .addHelpText(
    'after',
    `
The test camera goes the real way: a CameraClient with its pinned key, a certificate from the operator, a stream to the server
that ranks last, and from there by redirect to the best. Not one frame may be lost.

Exits 0 when all is well, 1 with a table of the home where it is not, 2 for wrong options.

Examples:
  helm test homing --namespace homing-system
  homing cluster-test --operator homing-operator.homing-system.svc:17330 --ca /etc/homing/trust/ca.crt`,
  )
  .action(async (flags: TestFlags) => {
    const deadlineMs = performance.now() + flags.timeout * 1000;
    const { problems, open } = await waitForServers(flags, deadlineMs);
    if (problems.length > 0) return fail(flags, problems);
    try {
      const moved = await moveTestCamera({ ...flags, open, deadlineMs, say: printNote });
      if (flags.json === true) printJson({ servers: open.map(({ name }) => name), ...moved });
      else printLine(`all is well: ${moved.story}`);
    } catch (error) {
      await fail(flags, [error instanceof Error ? error.message : String(error)]);
    }
  });

async function waitForServers(flags: TestFlags, deadlineMs: number): Promise<ServersVerdict> {
  let said = '';
  for (;;) {
    const verdict = judgeServers((await readCluster(flags)).homeServers);
    const text = verdict.problems.join('\n');
    if (text !== said) printNote(text === '' ? 'every server is ready and heard' : text);
    said = text;
    if (text === '' || performance.now() > deadlineMs) return verdict;
    await delay(lookEveryMs);
  }
}

async function fail(flags: TestFlags, problems: readonly string[]): Promise<void> {
  const home: ClusterHome = await readCluster(flags);
  if (flags.json === true) printJson({ problems, home });
  else for (const line of describeClusterHome(home)) printLine(line);
  throw new CommandError(problems.join('\n'), exitCodes.negative);
}
