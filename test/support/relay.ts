/**
 * A program between a client and a server: `relay.ts LISTEN_PORT HOST PORT`. It hands bytes on until a line on its standard
 * input says otherwise: `hold` keeps back what the server says (both still think that the other lives), `pass` hands that on
 * again, `cut` resets what there is. It prints its port when it listens.
 */
import { type Socket, connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const [listenPort = '0', host = '127.0.0.1', port = '0'] = process.argv.slice(2);
const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>();
let isHeld = false;

function hold(held: boolean): void {
  isHeld = held;
  for (const { server } of pairs) {
    if (held) server.pause();
    else server.resume();
  }
}

function cut(): void {
  for (const { client, server } of pairs) {
    client.resetAndDestroy();
    server.resetAndDestroy();
  }
}

const listener = createServer({ allowHalfOpen: true }, (client) => {
  const server = connect({ host, port: Number(port), allowHalfOpen: true });
  const pair = { client, server };
  pairs.add(pair);
  client.pipe(server);
  server.on('data', (bytes) => client.write(bytes));
  server.on('end', () => client.end());
  if (isHeld) server.pause();
  for (const socket of [client, server]) {
    socket.on('error', () => {
      client.destroy();
      server.destroy();
    });
    socket.on('close', () => pairs.delete(pair));
  }
});
listener.listen(Number(listenPort), '127.0.0.1', () => {
  const address = listener.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});

createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'cut') cut();
  else hold(line === 'hold');
});
