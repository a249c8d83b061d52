/** node:tls by itself: terminates mutual TLS and throws away what comes. */
import { constants } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:tls';
import { z } from 'zod';
import { papers } from '../home.ts';
import { answerRequests } from '../program.ts';

const opening = z.object({ anchorsPem: z.string(), papers, port: z.number() });
let taken = 0;

answerRequests({
  open: async (input) => {
    const { anchorsPem, papers: own, port } = opening.parse(input);
    const server = createServer({
      cert: own.certificatePem,
      key: own.keyPem,
      ca: anchorsPem,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
      secureOptions: constants.SSL_OP_NO_TICKET,
    });
    server.on('secureConnection', (socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => (taken += bytes.length));
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  },
  /** Bytes since the start. */
  taken: () => taken,
});
