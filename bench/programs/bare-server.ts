/** node:tls by itself: takes mutual handshakes, says a line to each client, and gives each line back. */
import { once } from 'node:events';
import { constants } from 'node:crypto';
import { createServer } from 'node:tls';
import { z } from 'zod';
import { papers } from '../home.ts';
import { answerRequests } from '../program.ts';

const opening = z.object({ anchorsPem: z.string(), papers });

answerRequests({
  /** @returns the port */
  open: async (input) => {
    const { anchorsPem, papers: own } = opening.parse(input);
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
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.write('welcome\n');
      socket.on('data', (bytes) => socket.write(bytes));
    });
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' ? address?.port : undefined;
  },
});
