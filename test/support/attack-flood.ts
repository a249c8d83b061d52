/**
 * Floods the group with announcements whose signature is broken, as a program: `attack-flood.ts ADDRESS PER_SECOND SECONDS
 * MESSAGE…`. No two in a row are the same: of each message there are thousands that differ in the last bytes of the signature.
 * Prints what it sent and how fast it really was, as JSON.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { setImmediate, setTimeout as pause } from 'node:timers/promises';
import { multicastPort } from '../../agent/server/multicast-group.ts';
import { multicastGroup } from '../../agent/server/multicast-ipv4.ts';

/** More variants than any memory of ours for messages. */
const variants = 8192;
/** So many at once, then whatever else the process has to do. */
const burst = 500;
const maxUnsent = 4000;

const [address = '', perSecond = '', seconds = '', ...files] = process.argv.slice(2);
const originals = await Promise.all(files.map((file) => readFile(file)));
const messages = Array.from({ length: variants }, (_, index) => {
  const message = Buffer.from(originals[index % originals.length] ?? '');
  randomBytes(8).copy(message, message.length - 8);
  return message;
});

// An attacker is another machine: it does not wait for its victims' turn.
setPriority(-10);

const socket = createSocket({ type: 'udp4', sendBufferSize: 4 << 20 });
socket.bind(0, address);
await once(socket, 'listening');
socket.setMulticastInterface(address);
socket.connect(multicastPort, multicastGroup);
await once(socket, 'connect');

const startMs = performance.now();
const elapsedMs = (): number => performance.now() - startMs;
let [sent, unsent] = [0, 0];
while (elapsedMs() < Number(seconds) * 1000) {
  const due = Math.min(burst, Math.floor((elapsedMs() * Number(perSecond)) / 1000) - sent);
  if (due <= 0 || unsent > maxUnsent) {
    await pause(1);
    continue;
  }
  for (let index = 0; index < due; index += 1) {
    unsent += 1;
    socket.send(messages[(sent + index) % variants] ?? '', () => (unsent -= 1));
  }
  sent += due;
  await setImmediate();
}
process.stdout.write(`${JSON.stringify({ sent, perSecond: Math.round((sent * 1000) / elapsedMs()) })}\n`);
process.exit();
