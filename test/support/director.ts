/**
 * A server that does as it is told, as a program: `director.ts TRUST CERT KEY RECORDINGS PORT`. It welcomes every client that
 * its CA signed and records what it sends; each line on its standard input, `IDENTIFIER IP PORT`, is a redirect there. Real
 * servers wait half a minute for an answer before they redirect again; a client must bear it at any time.
 */
import { createInterface } from 'node:readline';
import { type Listener, openListener } from '../../agent/server/listener.ts';
import { ClientSession } from '../../agent/server/sessions.ts';
import { openRecordSink } from '../../agent/sinks/record.ts';
import { loadIdentity } from '../../tls/identity.ts';
import { watchTrust } from '../../agent/trust-directory.ts';
import { everyClient, isServerId } from '../../protocol/identifiers.ts';

const [trustPath = '', certificate = '', key = '', directory = '', port = ''] = process.argv.slice(2);
const identity = await loadIdentity(certificate, key);
const { id } = identity.leaf;
if (!isServerId(id)) throw new Error(`${id} is no server`);
const sessions = new Set<ClientSession>();
const sink = await openRecordSink(
  { directory, keepFreeBytes: 0, emit: () => undefined },
  {
    onDurable: (stream) => [...sessions].some((session) => session.durableRose(stream)),
    onHealth: (isHealthy, message) => process.stderr.write(`${isHealthy} ${message}\n`),
  },
);
const listener: Listener = await openListener({
  port: Number(port),
  identity,
  trust: await watchTrust(trustPath, [], () => undefined),
  onDropped: () => undefined,
  onConnection: ({ socket, leaf }) => {
    const session: ClientSession = new ClientSession({
      socket,
      leaf,
      serverId: id,
      owner: {
        onHello: () => session.welcome([sink]),
        onRefused: () => undefined,
        onBegun: () => undefined,
        onEnded: () => undefined,
        onGone: () => sessions.delete(session),
      },
    });
    sessions.add(session);
  },
});
process.stdout.write(`${listener.port}\n`);

createInterface({ input: process.stdin }).on('line', (line) => {
  const [target = '', ip = '', targetPort = ''] = line.split(' ');
  if (!isServerId(target)) return;
  const reference = { id: target, address: { ip, port: Number(targetPort) } };
  for (const session of sessions) {
    session.say({
      kind: 'redirect',
      to: everyClient,
      from: id,
      target: reference,
      features: [],
      also: [],
      why: 'drain',
    });
  }
});
