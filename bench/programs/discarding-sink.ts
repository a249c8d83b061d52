/** Takes whatever comes over TCP and throws it away. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { answerRequests } from '../program.ts';

let taken = 0;

answerRequests({
  /** @returns the port */
  open: async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => (taken += bytes.length));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' ? address?.port : undefined;
  },
  /** Bytes since the start. */
  taken: () => taken,
});
