/** node:tls by itself, the other side: shakes hands with full certificates, waits for a line, and sends lines to have them back. */
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { z } from 'zod';
import { papers } from '../home.ts';
import { answerRequests } from '../program.ts';

const opening = z.object({ anchorsPem: z.string(), papers: z.array(papers), port: z.number() });
let sockets: TLSSocket[] = [];

answerRequests({
  /** @returns milliseconds until all had their first line */
  shakeHands: async (input) => {
    const { anchorsPem, papers: all, port } = opening.parse(input);
    const startMs = performance.now();
    sockets = all.map(({ certificatePem, keyPem }) =>
      connect({
        host: '127.0.0.1',
        port,
        cert: certificatePem,
        key: keyPem,
        ca: anchorsPem,
        minVersion: 'TLSv1.3',
        checkServerIdentity: () => undefined,
      }),
    );
    await Promise.all(sockets.map((socket) => once(socket, 'data')));
    return performance.now() - startMs;
  },
  /** All send a line at once. @returns milliseconds until each had it back */
  echo: async () => {
    const startMs = performance.now();
    return Promise.all(
      sockets.map(async (socket) => {
        socket.write('a line of the length of an ordinary redirect, more or less'.repeat(4) + '\n');
        await once(socket, 'data');
        return performance.now() - startMs;
      }),
    );
  },
  hangUp: async () => {
    await Promise.all(
      sockets.map((socket) => {
        socket.destroy();
        return once(socket, 'close');
      }),
    );
    sockets = [];
  },
});
